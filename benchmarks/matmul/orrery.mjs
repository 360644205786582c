/** A product of two 1024 x 1024 matrices: ONNX Runtime called directly, and through both of Orrery's runtimes, in turn. */
import * as ort from "onnxruntime-node";
import { compile, input, matmul } from "../../dist/tensor/index.js";
import { openRuntime } from "../../dist/tensor/runtime/node.js";
import { ortRuntime } from "../../dist/tensor/runtime/ort.js";
import { normal, threads, time } from "../bench.mjs";

const shape = [1024, 1024];
const [a, b] = [normal(shape), normal(shape)];
const program = compile({ outputs: { y: matmul(input("a", shape), input("b", shape)) } });
const session = await ort.InferenceSession.create(program.model, { intraOpNumThreads: threads });
const [ta, tb] = [a, b].map(({ data }) => new ort.Tensor("float32", data, shape));
const here = await ortRuntime(ort, { device: "cpu", threads, provider: "cpu", preallocate: true }).load(program);
for (let i = 0; i < 3; i++) {
  await time("ONNX Runtime, ms", 30, () => session.run({ a: ta, b: tb }), 10);
  await time("Orrery in the same thread, ms", 30, () => here.run({ a, b }), 10);
}
await session.release();
await here.release();
const runtime = await openRuntime({ threads });
const there = await runtime.load(program);
await time("Orrery in its worker, ms", 90, () => there.run({ a, b }), 10);
await runtime.close();
