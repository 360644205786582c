/**
 * A diffusion-transformer-shaped network (width 384, 6 layers, 6 heads, 2 x 512 tokens, cross-attention to 64 text tokens, AdaLN
 * with a bottleneck of 256): the whole AdamW step with clipping, and a forward pass. EMA=1 adds averaged weights, ONLY=step or
 * ONLY=forward leaves the other out, DUMP=FILE writes the step's ONNX model.
 */
import { writeFileSync } from "node:fs";
import { add, chunk, compile, gelu, input, mean, mul, reshape, rotary, rotaryTables, silu, square, standardize, sub, transpose, unsqueeze } from "../../dist/tensor/index.js";
import { openRuntime } from "../../dist/tensor/runtime/node.js";
import { attention, linear, parameters, rmsNorm } from "../../dist/nn/index.js";
import { buildStep } from "../../dist/training/trainer.js";
import { defaultAdamW, stepScalars } from "../../dist/training/optimizer.js";
import { agree, initialState, normal, peak, report, save, threads, time, weightsOf } from "../bench.mjs";

const [width, heads, layers, batch, tokens, textTokens, bottleneck] = [384, 6, 6, 2, 512, 64, 256];
const dense = (p, x, out) => linear(p, x, out, { bias: false });

function modulation(p, x, condition, shared) {
  const all = add(dense(p.in("l2"), dense(p.in("l1"), silu(condition), bottleneck), 3 * width), shared);
  const [shift, scale, gate] = chunk(all, 3, -1).map((t) => unsqueeze(t, 1));
  return [add(mul(standardize(x, 1e-6), add(scale, 1)), shift), gate];
}

function attend(p, x, context, turn) {
  const split = (t) => transpose(reshape(t, [t.shape[0], t.shape[1], heads, width / heads]), [0, 2, 1, 3]);
  let [q, k, v] = [split(dense(p.in("q"), x, width)), split(dense(p.in("k"), context, width)), split(dense(p.in("v"), context, width))];
  [q, k] = [rmsNorm(p.in("nq"), q), rmsNorm(p.in("nk"), k)];
  if (turn) [q, k] = [rotary(q, ...turn), rotary(k, ...turn)];
  const y = transpose(attention(q, k, v), [0, 2, 1, 3]);
  return dense(p.in("o"), reshape(y, [y.shape[0], y.shape[1], width]), width);
}

function network(p, { x, context, condition, shared, turn }) {
  let y = dense(p.in("i"), x, width);
  for (let i = 0; i < layers; i++) {
    const block = p.in("bl").in(i);
    let [h, gate] = modulation(block.in("a1"), y, condition, shared);
    y = add(y, mul(gate, attend(block.in("sa"), h, h, turn)));
    [h, gate] = modulation(block.in("a2"), y, condition, shared);
    y = add(y, mul(gate, attend(block.in("ca"), h, context)));
    [h, gate] = modulation(block.in("a3"), y, condition, shared);
    y = add(y, mul(gate, dense(block.in("f2"), gelu(dense(block.in("f1"), h, 4 * width)), width)));
  }
  return dense(p.in("o"), standardize(y, 1e-5), 64);
}

const shapes = { x: [batch, tokens, 64], context: [batch, textTokens, 512], condition: [batch, width], shared: [batch, 3 * width], target: [batch, tokens, 64] };
const given = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, input(name, shape)]));
const feeds = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, normal(shape)]));
const angles = normal([tokens, width / heads / 2], 3);
const p = parameters();
const output = network(p.root, { ...given, turn: rotaryTables(Float64Array.from(angles.data), tokens) });
const all = [...p.all.values()];
const weights = weightsOf(all);
await save("transformer.safetensors", { "feed.angles": angles, ...Object.fromEntries(Object.entries(feeds).map(([k, v]) => [`feed.${k}`, v])), ...Object.fromEntries(all.map((w) => [w.name, { shape: w.shape, data: weights.get(w.name) }])) });

const runtime = await openRuntime({ threads });
if (process.env.ONLY !== "forward") {
  const optimizer = { ...defaultAdamW, emaDecay: process.env.EMA ? 0.99 : null };
  const start = performance.now();
  const { program, state } = buildStep({ parameters: p, loss: mean(square(sub(output, given.target))) }, optimizer);
  report("trace and compile, ms", performance.now() - start);
  if (process.env.DUMP) writeFileSync(process.env.DUMP, program.model);
  const load = performance.now();
  const step = await runtime.load(program, { state: initialState(state, weights) });
  report("ONNX Runtime's loading, ms", performance.now() - load);
  const scalars = Object.fromEntries(Object.entries(stepScalars(optimizer, 1e-4, 0)).map(([k, v]) => [k, { dtype: "float32", shape: [], data: Float32Array.of(v) }]));
  await time("AdamW step, ms", 8, () => step.run({ ...feeds, ...scalars }));
  peak();
  await step.release();
}
if (process.env.ONLY !== "step") {
  const forward = await runtime.load(compile({ outputs: { output }, weights }));
  await time("forward, ms", 12, () => forward.run(feeds));
  await agree("output", "transformer-peer.safetensors", (await forward.run(feeds)).output);
}
await runtime.close();
