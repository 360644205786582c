/** A tiny model and ten training steps, the same code for Node and for the page. */
import { add, compile, conv, grad, input, matmul, mean, mul, reshape, silu, standardize, sub, type Target } from "../../src/tensor/index.ts";
import type { HostTensor, Runtime } from "../../src/tensor/runtime/runtime.ts";

const wave = (shape: readonly number[], phase: number): HostTensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  return { dtype: "float32", shape, data: Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + phase) * 0.5) };
};

/** Losses of ten steps of gradient descent on a small convolutional network. */
export async function tinyTraining(runtime: Runtime, target: Target): Promise<number[]> {
  const x = input("x", [4, 2, 6, 6]);
  const y = input("y", [4, 3]);
  const kernel = input("kernel", [4, 2, 3, 3]);
  const weight = input("weight", [144, 3]);
  const hidden = standardize(reshape(silu(conv(x, kernel, { before: 1 })), [4, 144]), 1e-5);
  const error = sub(matmul(hidden, weight), y);
  const loss = mean(mul(error, error));
  const [dKernel, dWeight] = grad(loss, [kernel, weight]);
  const step = (p: typeof kernel, g: typeof kernel): typeof kernel => sub(p, mul(g, 0.005));
  const program = compile({ outputs: { loss, nextKernel: step(kernel, dKernel!), nextWeight: step(weight, dWeight!), checksum: mean(add(x, 0)) }, target });
  const exe = await runtime.load(program, {
    state: [
      { input: "kernel", output: "nextKernel", initial: wave([4, 2, 3, 3], 1).data },
      { input: "weight", output: "nextWeight", initial: wave([144, 3], 2).data },
    ],
  });
  const losses: number[] = [];
  for (let i = 0; i < 10; i++) losses.push(Number((await exe.run({ x: wave([4, 2, 6, 6], i % 2), y: wave([4, 3], 5 + (i % 2)) }))["loss"]!.data[0]));
  await exe.release();
  return losses;
}
