/** What the terminal says about a generation: the file, what made it, and, as plainly, which guards looked at it and which did not. */
import type { GenerationRecord, SampleResult } from "../generation/index.ts";
import type { Output } from "./output.ts";

/** A few lines about a finished video. */
export function sayVideo(output: Output, path: string, record: GenerationRecord, unknownWords: readonly string[] = []): void {
  const { args, durations_s: seconds } = record;
  const [made] = record.outputs;
  const how = args.family === "diffusion" ? `${args.sampler}, ${args.num_inference_steps} steps` : `temperature ${args.temperature}${args.top_p === undefined ? "" : `, top-p ${args.top_p}`}${args.top_k === undefined ? "" : `, top-k ${args.top_k}`}`;
  output.text(`${output.style.bold(path)}: ${made!.num_frames} frames of ${made!.width} x ${made!.height}, ${made!.duration_s.toFixed(2)} s`);
  output.text(`  made by ${args.family} (${how}), seed ${args.seed}, in ${(seconds["model"] ?? 0).toFixed(1)} s`);
  if (args.adapters) output.text(`  with ${args.adapters.map((one) => `${one.path}${one.scale === 1 ? "" : ` at ${one.scale}`}`).join(" and ")}`);
  if (unknownWords.length > 0) output.text(output.style.warn(`  the model never met ${unknownWords.map((word) => `"${word}"`).join(", ")}, so ${unknownWords.length === 1 ? "that word" : "these words"} cannot lead it`));
  for (const line of guardLines(record)) output.text(`  ${line}`);
  output.text(`  ${markLine(record)}`);
}

/** One line for each stage: who looked, and what nobody looked for. */
export function guardLines({ safety }: GenerationRecord): string[] {
  const lines = safety.stages.map(({ stage, guards, uncovered }) => `${stage.replace("-", " ")}: ${guards.join(", ")}${uncovered.length > 0 ? ` (nobody looked for ${uncovered.length} of 13 categories)` : ""}`);
  return [...(safety.words === "none" ? ["words: none, so there were none to check"] : []), ...lines, ...safety.postprocess];
}

/** Which marks the file carries. */
export function markLine({ marks, safety }: GenerationRecord): string {
  const watermark = marks ? `${marks.watermark.id}${marks.watermark.read_back ? "" : " (too few pixels to be read back)"}` : "none";
  const c2pa = marks ? `signed${marks.c2pa.self_issued ? " with this installation's own certificate" : ""}` : "none";
  return `watermark: ${watermark}; C2PA: ${c2pa}; records beside it, signed by key ${safety.signed_by.slice(0, 16)}`;
}

export function sayBatch(output: Output, { name, status, message }: SampleResult): void {
  const paint = { success: output.style.good, kept: output.style.dim, blocked: output.style.warn, error: output.style.bad }[status];
  output.text(`${paint(status === "success" ? "done" : status)}  ${name}${status === "blocked" || status === "error" ? `: ${message}` : ""}`);
}
