/** Started by webgpu.test.ts: ten training steps on a device, whose losses and last weights go to stdout as JSON. */
import { compile, gelu, grad, input, matmul, mean, mul, setAt, square, standardize, sub } from "../dist/tensor/index.js";
import { openRuntime } from "../dist/tensor/runtime/node.js";

const device = process.argv[2];
const wave = (count, phase) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + phase));
const tensor = (shape, phase) => ({ dtype: "float32", shape, data: wave(shape[0] * shape[1], phase) });
const [x, y, w, memory, at] = [input("x", [4, 8]), input("y", [4, 8]), input("w", [8, 8]), input("memory", [3, 8]), input("at", [1], "int64")];
const loss = mean(square(sub(gelu(matmul(standardize(x, 1e-5), w)), y)));
const [slope] = grad(loss, [w]);
const program = compile({ outputs: { loss, next: sub(w, mul(slope, 0.5)), remembered: setAt(memory, mean(x, 0, true), at, 0) }, target: device, succeeds: { next: "w", remembered: "memory" } });
const runtime = await openRuntime({ device, threads: 1 });
const step = await runtime.load(program, { state: [{ input: "w", output: "next", initial: wave(64, 1) }, { input: "memory", output: "remembered", initial: new Float32Array(24) }] });
const losses = [];
for (let i = 0; i < 10; i++) losses.push((await step.run({ x: tensor([4, 8], i), y: tensor([4, 8], 3), at: { dtype: "int64", shape: [1], data: BigInt64Array.of(BigInt(i % 2)) } })).loss.data[0]);
const state = await step.readState();
console.log(JSON.stringify({ losses, w: [...state.w.data], memory: [...state.memory.data] }));
await step.release();
await runtime.close();
