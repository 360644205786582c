/**
 * Every command there is. To add one: write `commands/<words-joined-by-dashes>.ts` exporting `command`, and add its line
 * here. Names of two words ("train tokenizer") form a group by themselves. `test/cli.test.ts` fails when a file has no line,
 * or when a line's summary and its file's differ. This module is loaded for `orrery --help`, so it imports nothing else.
 */
import type { Command } from "./command.ts";

export interface CommandEntry {
  name: string;
  summary: string;
  load: () => Promise<{ command: Command }>;
}

export const commandTable: readonly CommandEntry[] = [
  {
    name: "curate",
    summary: "turn raw video into a training set: shots, scores, decisions, clips, report",
    load: () => import("./commands/curate.ts"),
  },
  {
    name: "curate plan",
    summary: "say what a curation would do and how long it would take, without doing it",
    load: () => import("./commands/curate-plan.ts"),
  },
  {
    name: "curate status",
    summary: "say how far a curation is, also while another process works on it",
    load: () => import("./commands/curate-status.ts"),
  },
  {
    name: "curate decide",
    summary: "decide again about a curated dataset with other thresholds, from stored measures",
    load: () => import("./commands/curate-decide.ts"),
  },
  {
    name: "curate export",
    summary: "copy a curated dataset into Cosmos-Predict's layout",
    load: () => import("./commands/curate-export.ts"),
  },
  {
    name: "curate report",
    summary: "write a dataset's report anew from stored measures",
    load: () => import("./commands/curate-report.ts"),
  },
  {
    name: "demo",
    summary: "train a small world model on footage and let it go on, in minutes",
    load: () => import("./commands/demo.ts"),
  },
  {
    name: "doctor",
    summary: "say what this machine has and what is missing",
    load: () => import("./commands/doctor.ts"),
  },
  {
    name: "evaluate",
    summary: "measure how well a world model's videos obey the laboratory's physics",
    load: () => import("./commands/evaluate.ts"),
  },
  {
    name: "finetune",
    summary: "adapt a model to your own video, as a whole or by LoRA adapters",
    load: () => import("./commands/finetune.ts"),
  },
  {
    name: "generate",
    summary: "make a video that goes on from a picture, a video or a prompt",
    load: () => import("./commands/generate.ts"),
  },
  {
    name: "guard faces",
    summary: "hide the faces in a video",
    load: () => import("./commands/guard-faces.ts"),
  },
  {
    name: "inspect",
    summary: "say what a model, checkpoint, latents, training run or video holds",
    load: () => import("./commands/inspect.ts"),
  },
  {
    name: "lab list",
    summary: "say what scenes the laboratory can make, with pictures",
    load: () => import("./commands/lab-list.ts"),
  },
  {
    name: "lab render",
    summary: "render physics videos with everything known about them",
    load: () => import("./commands/lab-render.ts"),
  },
  {
    name: "models list",
    summary: "list the models that came with Orrery, were pulled, or lie in a folder",
    load: () => import("./commands/models-list.ts"),
  },
  {
    name: "models show",
    summary: "show a model's card, components, configuration, training notes and hashes",
    load: () => import("./commands/models-show.ts"),
  },
  {
    name: "models verify",
    summary: "check a model's files against their recorded hashes, and its tensors against its configuration",
    load: () => import("./commands/models-verify.ts"),
  },
  {
    name: "models merge",
    summary: "put LoRA adapters into a model's weights",
    load: () => import("./commands/models-merge.ts"),
  },
  {
    name: "models unmerge",
    summary: "take LoRA adapters out of the weights that they were merged into",
    load: () => import("./commands/models-unmerge.ts"),
  },
  {
    name: "models pull",
    summary: "bring a model from a hub or a URL, with its hashes checked and its licence accepted",
    load: () => import("./commands/models-pull.ts"),
  },
  {
    name: "models export",
    summary: "write a model as ONNX files or as a folder for diffusers",
    load: () => import("./commands/models-export.ts"),
  },
  {
    name: "parity",
    summary: "compare a network with the reference's golden tensors",
    load: () => import("./commands/parity.ts"),
  },
  {
    name: "motion",
    summary: "say how the camera of a video moves, and how much moves before it",
    load: () => import("./commands/motion.ts"),
  },
  {
    name: "quality",
    summary: "score a video's technical quality, and name its worst defect",
    load: () => import("./commands/quality.ts"),
  },
  {
    name: "shots",
    summary: "find the cuts, fades and dissolves of a video",
    load: () => import("./commands/shots.ts"),
  },
  {
    name: "provenance verify",
    summary: "say where a video comes from and whether it was changed",
    load: () => import("./commands/provenance-verify.ts"),
  },
  {
    name: "provenance mark",
    summary: "put a watermark and a content credential on a video",
    load: () => import("./commands/provenance-mark.ts"),
  },
  {
    name: "provenance list",
    summary: "list the videos that were made or marked here",
    load: () => import("./commands/provenance-list.ts"),
  },
  {
    name: "provenance export",
    summary: "write the public keys, and the registry, for others",
    load: () => import("./commands/provenance-export.ts"),
  },
  {
    name: "tokenize encode",
    summary: "turn video into latents or code indices",
    load: () => import("./commands/tokenize-encode.ts"),
  },
  {
    name: "tokenize decode",
    summary: "turn latents or code indices back into video",
    load: () => import("./commands/tokenize-decode.ts"),
  },
  {
    name: "train tokenizer",
    summary: "train a tokenizer on your own video",
    load: () => import("./commands/train-tokenizer.ts"),
  },
  {
    name: "train diffusion",
    summary: "train a diffusion world model on your own video",
    load: () => import("./commands/train-diffusion.ts"),
  },
  {
    name: "train autoregressive",
    summary: "train a world model of tokens on your own video",
    load: () => import("./commands/train-autoregressive.ts"),
  },
  {
    name: "guard check",
    summary: "ask the guards about a prompt or a video",
    load: () => import("./commands/guard-check.ts"),
  },
  {
    name: "guard explain",
    summary: "show what each guard saw and why, of a prompt, a video or a record",
    load: () => import("./commands/guard-explain.ts"),
  },
  {
    name: "guard policy",
    summary: "show a guard policy, and whether each of its guards opens here",
    load: () => import("./commands/guard-policy.ts"),
  },
  {
    name: "guard record verify",
    summary: "say whether a safety record is whole, and who signed it",
    load: () => import("./commands/guard-record-verify.ts"),
  },
  {
    name: "upsample",
    summary: "make a prompt longer, guarded before and after",
    load: () => import("./commands/upsample.ts"),
  },
];

/** What a first word that is not a command by itself stands for. */
export const groupSummaries: Readonly<Record<string, string>> = {
  models: "the models on this machine",
  lab: "make physics videos with known truth",
  train: "train a model on your own video",
  guard: "check prompts and videos, and read safety records",
  provenance: "where a video comes from: watermark, content credential, registry",
  tokenize: "turn video into latents and back",
};
