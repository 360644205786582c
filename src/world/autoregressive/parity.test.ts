/** The autoregressive transformer against the reference's answers, and one graph against the other. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HostTensor, Runtime } from "../../tensor/runtime/node.ts";
import { hostTensor, openRuntime } from "../../tensor/runtime/node.ts";
import { difference, readConfig, testdata } from "../fixtures.cases.ts";
import { autoregressiveParameters, greedy, openDecoder, parseAutoregressiveConfig, type AutoregressiveConfig, type ContextValues } from "./index.ts";

const folders = readdirSync(testdata()).filter((f) => f.startsWith("autoregressive-"));

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openRuntime({ threads: 2 });
});
afterAll(() => runtime.close());

interface Stored {
  shape: number[];
  data: Float32Array;
}

/** Every tensor of a safetensors file as float32; the fixtures hold F32, I32, I64 and bytes. */
function tensorsOf(path: string): Map<string, Stored> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  return new Map(
    Object.entries(header).filter(([name]) => name !== "__metadata__").map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      const { buffer } = new Uint8Array(file.subarray(8 + length + from, 8 + length + to));
      const read: Record<string, () => Float32Array> = {
        F32: () => new Float32Array(buffer),
        I32: () => Float32Array.from(new Int32Array(buffer)),
        I64: () => Float32Array.from(new BigInt64Array(buffer), Number),
        BOOL: () => Float32Array.from(new Uint8Array(buffer)),
        U8: () => Float32Array.from(new Uint8Array(buffer)),
      };
      return [name, { shape, data: read[dtype]!() }];
    }),
  );
}

interface Fixture {
  config: AutoregressiveConfig;
  goldens: Map<string, Stored>;
  weights: Map<string, Float32Array>;
  context: ContextValues | undefined;
}

function fixture(folder: string): Fixture {
  const config = parseAutoregressiveConfig(readConfig(testdata(folder, "config.json")));
  const goldens = tensorsOf(testdata(folder, "golden.safetensors"));
  const stored = tensorsOf(testdata(folder, "model.safetensors"));
  const declared = [...autoregressiveParameters(config).all.values()];
  expect(declared.map((p) => `${p.name} ${p.shape.join()}`).sort()).toEqual([...stored].map(([name, w]) => `${name} ${w.shape.join()}`).sort());
  const values = goldens.get("context");
  const mask = goldens.get("context_mask");
  const tensor = (t: Stored): HostTensor => hostTensor("float32", t.shape, t.data);
  const context = values && { context: tensor(values), ...(mask ? { mask: hostTensor("bool", mask.shape, Uint8Array.from(mask.data)) } : {}) };
  return { config, goldens, weights: new Map([...stored].map(([name, w]) => [name, w.data])), context };
}

describe.each(folders)("%s", (folder) => {
  test("prefill and greedy steps are the reference's", async () => {
    const { config, goldens, weights, context } = fixture(folder);
    const { shape, data: prompt } = goldens.get("tokens")!;
    const [batch, length] = shape as [number, number];
    const vocabulary = config.vocab_size;
    const { decoder, logits } = await openDecoder(prompt, [batch, length], { config, weights: { weights }, runtime, context, allLogits: true });
    expect(difference(logits, goldens.get("prefill_logits")!.data)).toBeLessThan(1e-5);
    const total = goldens.get("greedy_tokens")!.shape[1]!;
    const rows = Array.from({ length: batch }, (_, b) => [...prompt.subarray(b * length, (b + 1) * length)]);
    let last = rows.map((_, b) => logits.subarray(((b + 1) * length - 1) * vocabulary, (b + 1) * length * vocabulary));
    const steps: Float32Array[][] = [];
    while (rows[0]!.length < total) {
      const chosen = last.map(greedy);
      chosen.forEach((token, b) => rows[b]!.push(token));
      const answer = await decoder.step(chosen);
      last = rows.map((_, b) => answer.subarray(b * vocabulary, (b + 1) * vocabulary));
      steps.push(last);
    }
    await decoder.release();
    expect(rows.flat()).toEqual([...goldens.get("greedy_tokens")!.data]);
    expect(difference(rows.flatMap((_, b) => steps.flatMap((s) => [...s[b]!])), goldens.get("step_logits")!.data)).toBeLessThan(1e-5);
  });

  test("a step answers at every position what the prefill does", async () => {
    const { config, goldens, weights, context } = fixture(folder);
    const { shape, data } = goldens.get("greedy_tokens")!;
    const [batch, length] = shape as [number, number];
    const options = { config, weights: { weights }, runtime, context };
    const whole = await openDecoder(data, [batch, length], { ...options, allLogits: true });
    await whole.decoder.release();
    const column = (at: number): number[] => Array.from({ length: batch }, (_, b) => data[b * length + at]!);
    const { decoder, logits: first } = await openDecoder(column(0), [batch, 1], { ...options, capacity: length });
    for (let at = 0; at < length; at++) {
      const logits = at === 0 ? first : await decoder.step(column(at));
      const expected = Array.from({ length: batch }, (_, b) => [...whole.logits.subarray((b * length + at) * config.vocab_size, (b * length + at + 1) * config.vocab_size)]).flat();
      expect(difference(logits, expected), `position ${at}`).toBeLessThan(1e-5);
    }
    await expect(decoder.step(column(0))).rejects.toMatchObject({ code: "bad_argument" });
    await decoder.release();
  });
});
