/** What the commands of `orrery tokenize` have in common: a tokenizer opened on a device, and its options. */
import type { Codec } from "../tokenizer/codec.ts";
import type { TokenizerIdentity } from "../tokenizer/model.ts";
import type { RuntimeOptions } from "../tensor/runtime/node.ts";
import { integer, text } from "./options.ts";

export const tokenizerOptions = {
  model: text({ short: "m", required: true, metavar: "NAME|DIR", help: "the tokenizer: a name from `orrery models list`, a folder with config.json and weights, or a pipeline's folder with model_index.json" }),
  tile: integer({ min: 16, max: 16_384, help: "longest side of the tiles that large pictures are coded by, in pixels; smaller needs less memory" }),
} as const;

export interface OpenedTokenizer {
  codec: Codec;
  identity: TokenizerIdentity;
}

/** Opens a tokenizer, hands it to `work` and closes it again. */
export async function withTokenizer<T>(
  model: string,
  { device, threads, window, tile }: { device: RuntimeOptions["device"] & string; threads: number | undefined; window?: number | undefined; tile: number | undefined },
  work: (opened: OpenedTokenizer) => Promise<T>,
): Promise<T> {
  const [{ openRuntime }, { openCodec }, { identifyTokenizer, tokenizerFolder }, { findModel }] = await Promise.all([
    import("../tensor/runtime/node.ts"), import("../tokenizer/codec.ts"), import("../tokenizer/model.ts"), import("../registry/index.ts"),
  ]);
  const folder = await tokenizerFolder(await findModel(model));
  const identity = await identifyTokenizer(folder);
  const runtime = await openRuntime({ device, ...(threads === undefined ? {} : { threads }) });
  try {
    const codec = await openCodec(folder, runtime, { ...(window === undefined ? {} : { temporalWindow: window }), ...(tile === undefined ? {} : { tile }) });
    try {
      return await work({ codec, identity });
    } finally {
      await codec.release();
    }
  } finally {
    await runtime.close();
  }
}
