/** What `orrery finetune` takes from the model that it goes on from: which trainer, and settings that differ from a fresh training's. */
import { OrreryError } from "../../errors.ts";
import type { Lora } from "../../nn/index.ts";
import { isPipeline, openComponent, openPipeline, type Generation } from "../../registry/index.ts";
import { tokenizerClassNames } from "../../tokenizer/index.ts";
import { autoregressiveClassName } from "../../world/autoregressive/index.ts";
import { transformerClassName } from "../../world/index.ts";

type Tree = Record<string, unknown>;

export interface Start {
  kind: "tokenizer" | "diffusion" | "autoregressive";
  /** Settings as the model makes them. */
  base: Tree;
  generation?: Generation;
}

/** What fine-tuning is usually: shorter, and with small steps; adapters, which begin at nothing, take larger ones (cosmos-predict2's LoRA recipe: 2^-10). */
const loop = (hasLora: boolean): Tree => ({ steps: 500, optimizer: { lr: hasLora ? 2 ** -10 : 1e-4, warmupSteps: 20 } });

const dataOf = ({ width, height, frames, fps }: Generation): Tree => ({ width, height, frames, fps });

/** @throws `bad_config`, `bad_argument` for a model that cannot be fine-tuned. */
export async function startFrom(folder: string, hasLora: boolean): Promise<Start> {
  if (await isPipeline(folder)) {
    const { generation } = await openPipeline(folder);
    const common = { ...loop(hasLora), data: dataOf(generation), conditionFrames: [...generation.conditionFrames] };
    if (generation.family === "autoregressive") return { kind: "autoregressive", generation, base: { ...common, sampling: { ...generation.sampling } } };
    const { formulation, sampler, change, text } = generation;
    const { openDiffusionBase } = await import("../../world/diffusion/base.ts");
    const readsText = text !== null && (await openDiffusionBase(folder)).text !== undefined;
    return { kind: "diffusion", generation, base: { ...common, formulation, sampler: { ...sampler }, predicts: change ? "change" : "latents", ...(readsText ? { text: { tokens: text.tokens, guidance: generation.guidance } } : {}) } };
  }
  const { className } = await openComponent(folder);
  if ((tokenizerClassNames as readonly string[]).includes(className)) {
    if (hasLora) throw new OrreryError("bad_argument", "adapters are for transformers; a tokenizer is fine-tuned as a whole, so leave --lora out");
    return { kind: "tokenizer", base: loop(false) };
  }
  if (className === transformerClassName) return { kind: "diffusion", base: loop(hasLora) };
  if (className === autoregressiveClassName) return { kind: "autoregressive", base: loop(hasLora) };
  throw new OrreryError("bad_argument", `${folder} is a ${className}, which Orrery does not train`);
}

/** Layers that are adapted: cosmos-predict2's for the diffusion transformer, the same of a Llama. */
const usualTargets = {
  diffusion: ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"],
  autoregressive: ["wq", "wk", "wv", "wo", "w1", "w2", "w3"],
} as const;

/** Names that NVIDIA's recipe has for the same layers. */
const aliases: Readonly<Record<string, string>> = { q_proj: "to_q", k_proj: "to_k", v_proj: "to_v", output_proj: "to_out.0", "mlp.layer1": "ff.net.0.proj", "mlp.layer2": "ff.net.2" };

/**
 * Reads `--lora rank=16 alpha=16 targets=to_q,to_v`. Words that are none of adapters' are handed back: they are settings that
 * stood behind.
 * @throws `bad_argument`.
 */
export function parseLora(words: readonly string[], kind: "diffusion" | "autoregressive"): { lora: Lora; rest: string[] } {
  const given: Partial<Record<"rank" | "alpha" | "targets", string>> = {};
  const rest: string[] = [];
  for (const word of words) {
    const match = /^(rank|alpha|targets)=(.*)$/.exec(word);
    if (match) given[match[1] as "rank"] = match[2]!;
    else if (word.includes("=")) rest.push(word);
    else throw new OrreryError("bad_argument", `--lora has "${word}"; expected rank=16, alpha=16 or targets=to_q,to_k`);
  }
  const rank = Number(given.rank ?? 16);
  const alpha = Number(given.alpha ?? rank);
  if (!Number.isInteger(rank) || rank < 1 || rank > 65_536) throw new OrreryError("bad_argument", `--lora has rank=${given.rank}; expected a whole number, such as 16`);
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new OrreryError("bad_argument", `--lora has alpha=${given.alpha}; expected a number above 0, such as ${rank}`);
  const targets = given.targets === undefined ? [...usualTargets[kind]] : given.targets.replace(/^\[|\]$/g, "").split(",").map((name) => name.trim()).filter((name) => name !== "").map((name) => (kind === "diffusion" ? (aliases[name] ?? name) : name));
  if (targets.length === 0) throw new OrreryError("bad_argument", `--lora has no targets; expected paths of layers or their ends, such as targets=${usualTargets[kind].slice(0, 2).join(",")}`);
  return { lora: { rank, alpha, targets }, rest };
}
