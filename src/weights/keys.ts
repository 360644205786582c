/**
 * Which naming a Cosmos checkpoint uses, and its translation. There is one table per foreign naming, towards diffusers'
 * names, which are those of Orrery's models. The discrete tokenizers have no class in diffusers: their own model keeps the
 * names of `cosmos-tokenizer`, and so needs no translation but the removal of buffers.
 */
import { OrreryError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { renameCheckpoint } from "./joined.ts";
import { compileRules, reversed, type KeyMatcher, type KeyRule } from "./key-template.ts";
import { decoderLevels, tokenizerBuffers, tokenizerRules } from "./keys-tokenizer.ts";
import { transformer1Rules, transformer2Rules, transformerBuffers } from "./keys-transformer.ts";

/** `cosmos-…`: as NVIDIA's repositories write them; `diffusers-…`: as diffusers does. */
export type KeyNaming = "cosmos-tokenizer" | "diffusers-tokenizer" | "cosmos-transformer-1" | "cosmos-transformer-2" | "diffusers-transformer";

interface Foreign {
  /** The naming that it translates to and from. */
  home: KeyNaming;
  rules: readonly KeyRule[];
  /** Names that are dropped, because they are not weights. */
  buffers: RegExp;
  /** Prefix that training puts before every name, written again on the way back. */
  prefix: string;
}

const foreign: Partial<Record<KeyNaming, Foreign>> = {
  "cosmos-tokenizer": { home: "diffusers-tokenizer", rules: tokenizerRules, buffers: tokenizerBuffers, prefix: "" },
  "cosmos-transformer-1": { home: "diffusers-transformer", rules: transformer1Rules, buffers: transformerBuffers, prefix: "" },
  "cosmos-transformer-2": { home: "diffusers-transformer", rules: transformer2Rules, buffers: transformerBuffers, prefix: "net." },
};

/** Names that only one naming has, with or without what training puts before them. */
const signs: readonly [KeyNaming, RegExp][] = [
  ["cosmos-tokenizer", /^((en|de)coder\.(down|up)\.\d+\.|(en|de)coder\.conv_in\.[01]\.conv3d\.|(post_)?quant_conv\.conv3d\.)/],
  ["diffusers-tokenizer", /^((en|de)coder\.(down|up)_blocks\.\d+\.|(en|de)coder\.conv_in\.conv_[st]\.)/],
  ["cosmos-transformer-1", /^(net(_ema)?\.)?blocks\.block\d+\.blocks\.\d+\./],
  ["cosmos-transformer-2", /^(net(_ema)?\.)?blocks\.\d+\.(self_attn|cross_attn)\.\w+_proj\./],
  ["diffusers-transformer", /^transformer_blocks\.\d+\.attn1\./],
];

/** The naming of a checkpoint's names, or undefined when it is none of these. */
export function detectNaming(names: Iterable<string>): KeyNaming | undefined {
  for (const name of names) {
    const found = signs.find(([, sign]) => sign.test(name));
    if (found) return found[0];
  }
  return undefined;
}

/**
 * Names without what training puts before a transformer's, by name. A checkpoint that was written while training holds the
 * network as `net.` and its moving average as `net_ema.`: the average is left out, unless there is nothing else.
 */
function withoutTraining(names: readonly string[]): Map<string, string> {
  const average = names.every((name) => name.startsWith("net_ema."));
  const kept = names.filter((name) => average || !name.startsWith("net_ema."));
  return new Map(kept.map((name) => [name, name.replace(/^net(_ema)?\./, "")]));
}

const matchers = new Map<string, KeyMatcher>();

function matcher(naming: KeyNaming, back: boolean): KeyMatcher {
  const id = `${naming} ${back}`;
  let out = matchers.get(id);
  if (!out) {
    const { rules } = foreign[naming]!;
    out = compileRules(back ? reversed(rules) : rules);
    matchers.set(id, out);
  }
  return out;
}

/**
 * Translates names.
 * @returns new name to old name, in the order given. Buffers that are not weights are left out.
 * @throws `bad_checkpoint` when a name is not covered by the table or two become one, `bad_argument` when one naming is
 * of a tokenizer and the other of a transformer.
 */
export function translateKeys(names: Iterable<string>, from: KeyNaming, to: KeyNaming): Map<string, string> {
  const [source, target] = [foreign[from], foreign[to]];
  if ((source?.home ?? from) !== (target?.home ?? to)) throw new OrreryError("bad_argument", `names of ${from} cannot be translated to ${to}: they belong to different networks`);
  const all = [...names];
  const levels = decoderLevels(all);
  const out = new Map<string, string>();
  const unknown: string[] = [];
  const plainNames = source?.home === "diffusers-transformer" ? withoutTraining(all) : new Map(all.map((name) => [name, name]));
  for (const [name, plain] of plainNames) {
    if (source?.buffers.test(plain)) continue;
    const translated = from === to ? name : translate(plain, from, to, levels);
    if (translated === undefined) unknown.push(name);
    else if (out.has(translated)) throw new OrreryError("bad_checkpoint", `both ${out.get(translated)} and ${name} are ${translated} in ${to}; the checkpoint mixes two namings`);
    else out.set(translated, name);
  }
  if (unknown.length > 0) {
    const shown = unknown.slice(0, 5).join(", ");
    throw new OrreryError("bad_checkpoint", `${unknown.length} of ${all.length} names have no counterpart in ${to}: ${shown}${unknown.length > 5 ? ", …" : ""}. Check that the checkpoint is of the network that ${from} names`);
  }
  return out;
}

/** Through diffusers' names, from and to either of which there is at most one step. */
function translate(name: string, from: KeyNaming, to: KeyNaming, levels: number): string | undefined {
  const home = foreign[from] ? matcher(from, false).translate(name, levels) : name;
  const target = foreign[to];
  if (home === undefined || !target) return home;
  const there = matcher(to, true).translate(home, levels);
  return there === undefined ? undefined : target.prefix + there;
}

/**
 * A checkpoint under the names of `to`, whichever known naming it has; the checkpoint itself when it has that already.
 * @throws `bad_checkpoint` when its naming is not known or does not translate.
 */
export function withNaming(checkpoint: Checkpoint, to: KeyNaming): Checkpoint {
  const names = checkpoint.names();
  const from = detectNaming(names);
  if (from === undefined) throw new OrreryError("bad_checkpoint", `${checkpoint.path} follows no known naming (its first names: ${names.slice(0, 3).join(", ")}); expected that of ${to}`);
  const translated = translateKeys(names, from, to);
  return [...translated].every(([a, b]) => a === b) && translated.size === names.length ? checkpoint : renameCheckpoint(checkpoint, translated);
}
