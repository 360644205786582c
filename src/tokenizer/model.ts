/**
 * Which folder a tokenizer is in, and a name for exactly this one. Latents mean something only to the network that made
 * them, so files of latents carry that name.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import { openComponent, readJson } from "../registry/index.ts";
import { tokenizerClassNames } from "./config.ts";
import { parseTokenizerConfig } from "./plan.ts";

const isFile = (path: string): Promise<boolean> => stat(path).then((s) => s.isFile(), () => false);

/**
 * The tokenizer's own folder, given that or a pipeline folder as diffusers lays it out (`model_index.json`, with the
 * tokenizer in `vae/`).
 * @throws `file_not_found` when there is neither, `bad_config` when a pipeline has no tokenizer that is known.
 */
export async function tokenizerFolder(path: string): Promise<string> {
  const index = join(path, "model_index.json");
  if (!(await isFile(index))) {
    if ((await stat(path).catch(() => undefined))?.isFile())
      throw new OrreryError("bad_argument", `${path} is a file; expected a tokenizer's folder (config.json and its weights) or a pipeline's (model_index.json)`);
    return path;
  }
  const parts = Object.entries(await readJson(index)).filter(([, value]) => Array.isArray(value)) as [string, unknown[]][];
  // Names come from the file and become part of a path.
  const found = parts.find(([name, value]) => /^\w[\w.-]*$/.test(name) && (tokenizerClassNames as unknown[]).includes(value[1]));
  if (!found) throw new OrreryError("bad_config", `${index} names no tokenizer; expected a component of the class ${tokenizerClassNames.join(" or ")}, and it has ${parts.map(([name]) => name).join(", ") || "none"}`);
  return join(path, found[0]);
}

/** The class of a tokenizer and the SHA-256 of its configuration and weights, whatever file format they are in. */
export interface TokenizerIdentity {
  className: string;
  sha256: string;
}

/** Reads a tokenizer folder through, a tensor at a time. Errors as `openCodec`. */
export async function identifyTokenizer(folder: string): Promise<TokenizerIdentity> {
  const component = await openComponent(folder);
  const config = Object.entries(parseTokenizerConfig(component.config)).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256").update(JSON.stringify(config));
  const checkpoint = await component.checkpoint();
  try {
    for (const name of checkpoint.names().sort()) {
      const { dtype, shape } = checkpoint.info(name);
      hash.update(JSON.stringify([name, dtype, shape])).update(await checkpoint.read(name));
    }
  } finally {
    await checkpoint.close();
  }
  return { className: component.className, sha256: hash.digest("hex") };
}
