import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "../compile.ts";
import { allocate, fromNumbers } from "../dtype.ts";
import { defineOp, opTable, apply, input, type NdArray, type Op, type Tensor } from "../graph.ts";
import { vjp } from "../grad.ts";
import { evaluateGraph } from "../interpret.ts";
import { hostTensor, openRuntime, type HostTensor, type Runtime } from "../runtime/node.ts";
import { size } from "../shape.ts";
import { mul } from "./elementwise.ts";
import { cases, flat, type Case } from "./ops.cases.ts";
import { sum } from "./reduce.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Well-spread values: neighbours differ by more than the difference step, so kinks and ties are not straddled. */
function valuesFor({ inputs }: Case, seed: number): Record<string, NdArray> {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Object.fromEntries(
    inputs.map(({ tensor, range: [low, high] }) => {
      const data = Float64Array.from({ length: size(tensor.shape) }, () => {
        const v = Math.fround(low + (high - low) * next());
        // Away from zero and from halves, where sign, floor and round jump.
        return Math.abs(v * 2 - Math.round(v * 2)) < 0.01 ? v + 0.03 : v;
      });
      return [tensor.attrs["name"] as string, { shape: tensor.shape, data }];
    }),
  );
}

async function runOnnx(outputs: Record<string, Tensor>, values: Record<string, NdArray>, rewrite: boolean): Promise<Record<string, HostTensor>> {
  const program = compile({ outputs, rewrite });
  const exe = await runtime.load(program);
  try {
    const feeds = Object.fromEntries(program.inputs.map((i) => [i.name, hostTensor(i.dtype, i.shape, fromNumbers(i.dtype, values[i.name]!.data))]));
    return await exe.run(feeds);
  } finally {
    await exe.release();
  }
}

function expectClose(got: ArrayLike<number | bigint>, want: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1, ...Array.from(want, Math.abs));
  for (let i = 0; i < want.length; i++) if (!(Math.abs(Number(got[i]) - want[i]!) <= tolerance * scale)) expect(Number(got[i]), `element ${i}`).toBe(want[i]);
}

/** Derivatives of sum(output * probe) by every input element, by central differences in doubles. */
function differences({ output, inputs }: Case, values: Record<string, NdArray>, probe: Float64Array): Float64Array[] {
  const step = 1e-5;
  const loss = (): number => evaluateGraph([output], values)[0]!.data.reduce((s, v, i) => s + v * probe[i]!, 0);
  return inputs.map(({ tensor }) => {
    const { data } = values[tensor.attrs["name"] as string]!;
    return data.map((v, i) => {
      data[i] = v + step;
      const up = loss();
      data[i] = v - step;
      const down = loss();
      data[i] = v;
      return (up - down) / (2 * step);
    });
  });
}

function checkGradient(c: Case, seed: number): void {
  const values = valuesFor(c, seed);
  const probe = Float64Array.from({ length: size(c.output.shape) }, (_, i) => Math.sin(i + 1) + 0.3);
  const seedTensor = input("probe", c.output.shape);
  const gradients = vjp([c.output], [seedTensor], c.inputs.map((i) => i.tensor));
  const got = evaluateGraph(gradients, { ...values, probe: { shape: c.output.shape, data: probe } });
  differences(c, values, probe).forEach((want, i) => expectClose(got[i]!.data, want, 1e-6));
}

describe("every op of the table", () => {
  test("has test cases", () => {
    const own = [...opTable.keys()].filter((name) => !name.startsWith("test."));
    expect(own.filter((name) => !cases[name])).toEqual([]);
  });

  test.each(Object.keys(cases))("%s: ONNX Runtime computes its definition", async (name) => {
    const samples = fc.sample(fc.tuple(cases[name]!, fc.integer({ min: 1 })), { numRuns: 6, seed: 7 });
    const outputs: Record<string, Tensor> = {};
    const values: Record<string, NdArray> = {};
    samples.forEach(([c, seed], i) => {
      outputs[`y${i}`] = c.output;
      Object.assign(values, valuesFor(c, seed));
    });
    const wanted = evaluateGraph(Object.values(outputs), values);
    for (const rewrite of [false, true]) {
      const results = await runOnnx(outputs, values, rewrite);
      samples.forEach((_, i) => expectClose(results[`y${i}`]!.data, wanted[i]!.data, 3e-6));
    }
  });

  test.each(Object.keys(cases).filter((name) => !flat.has(name)))("%s: its gradient is the limit of differences", (name) => {
    fc.assert(
      fc.property(cases[name]!, fc.integer({ min: 1, max: 1e9 }), (c, seed) => checkGradient(c, seed)),
      { numRuns: 12, seed: 11 },
    );
  });

  test.each([...flat].filter((n) => n !== "cast"))("%s passes no gradient", (name) => {
    const [c] = fc.sample(cases[name]!, { numRuns: 1, seed: 3 });
    const { op } = c!.output;
    const gradients = op.grad?.(c!.output, input(`dy ${name}`, c!.output.shape), c!.output.attrs) ?? [];
    expect(gradients.every((g) => g === null)).toBe(true);
  });

  test("a wrong gradient is caught", () => {
    const wrong: Op = defineOp({
      name: "test.wrongSquare",
      infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
      lower: (emit, _n, [x]) => emit.node("Mul", [x!, x!]),
      grad: (node, dy) => [mul(dy, node.inputs[0]!)],
      evaluate: ([x]) => ({ shape: x!.shape, data: x!.data.map((v) => v * v) }),
    });
    const x = input("wrong", [3]);
    expect(() => checkGradient({ output: apply(wrong, [x], {}), inputs: [{ tensor: x, range: [-2, 2] }] }, 5)).toThrow();
  });

  test("grad of a composition, and of a gradient", () => {
    const x = input("composed", [2, 3]);
    const y = sum(mul(mul(x, x), x));
    const [first] = vjp([y], [evaluateSeed()], [x]);
    const [second] = vjp([first!], [mul(x, 0)].map((z) => mul(z, 0)), [x]);
    const values = { composed: { shape: [2, 3], data: Float64Array.of(1, 2, 3, -1, -2, 0.5) } };
    expect([...evaluateGraph([first!], values)[0]!.data]).toEqual([3, 12, 27, 3, 12, 0.75]);
    expect([...evaluateGraph([second!], values)[0]!.data].every((v) => v === 0)).toBe(true);
    const [third] = vjp([sum(first!)], [evaluateSeed()], [x]);
    expect([...evaluateGraph([third!], values)[0]!.data]).toEqual([6, 12, 18, -6, -12, 3]);
  });
});

function evaluateSeed(): Tensor {
  const one = allocate("float32", 1);
  one[0] = 1;
  return apply(opTable.get("constant")!, [], { data: one, shape: [], dtype: "float32" });
}
