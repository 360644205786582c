/**
 * The demo's page: what was done, stage by stage, in plain words, with pictures and figures of this very run. One file, with the
 * videos beside it; works offline, in light and dark, and on a phone.
 */
import { contactSheet, sliceClip, type Clip } from "../../video/index.ts";
import type { GenerationRecord } from "../../generation/index.ts";
import { lineChart, smoothed, type Line } from "./chart.ts";
import type { Comparison } from "./compare.ts";
import type { Footage } from "./footage.ts";
import { duration, escapeHtml, page, table } from "../../html.ts";
import { figure, movie, section, speedButtons, speedScript } from "./html.ts";

/** A figure by step of training. */
export type Curve = readonly (readonly [step: number, value: number])[];

export interface Trained {
  /** The model's folder, as a user may type it. */
  folder: string;
  parameters: number;
  steps: number;
  loss: Curve;
  /** PSNR on held-back frames, by step. */
  psnr: Curve;
}

export interface Continued {
  name: string;
  /** Names of files beside the page. */
  file: string;
  sideBySide: { file: string; width: number; height: number };
  truth: Clip;
  made: Clip;
  comparison: Comparison;
  record: GenerationRecord;
  /** What the model expected on the way, the first first. */
  previews: readonly { done: number; total: number; clip: Clip }[];
}

export interface DemoReport {
  footage: Footage;
  /** A few frames that training sees of each of a few clips, and of what is held back. */
  seen: readonly { name: string; clip: Clip }[];
  held: readonly { name: string; clip: Clip }[];
  tokenizer: Trained & { original: Clip; reconstructed: Clip; latents: Clip; latentShape: readonly number[]; compression: string; reduction: number };
  world: Trained & { frames: number; given: number };
  continued: readonly Continued[];
  /** Requests that a guard did not allow. */
  blocked: readonly { name: string; message: string }[];
  seconds: Readonly<Record<string, number>>;
  /** Typed to make the first continuation again, and to go on. */
  commands: readonly { type: string; does: string }[];
  machine: string;
}

const db = (value: number): string => `${value.toFixed(2)} dB`;
const thousands = (value: number): string => (value >= 1e6 ? `${(value / 1e6).toFixed(1)} million` : `${Math.round(value / 1000)} thousand`);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

export function renderReport(report: DemoReport): string {
  const { footage } = report;
  const title = footage.own ? "A world model of balls in a room" : `A world model of ${footage.clips.length === 1 ? footage.clips[0]!.name : `${footage.clips.length} clips`}`;
  const stages = [footageStage(report), tokenizerStage(report), worldStage(report), samplingStage(report), comparisonStage(report), guardStage(report), nextStage(report)];
  return page(title, headerOf(title, report), `${stages.join("\n")}<footer>Made by <code>orrery demo</code> on ${escapeHtml(report.machine)}. Nothing left this machine.</footer>`, speedScript);
}

function headerOf(title: string, { footage, continued, world, tokenizer, seconds }: DemoReport): string {
  const ours = mean(continued.map(({ comparison }) => comparison.continuation.psnr));
  const theirs = mean(continued.map(({ comparison }) => comparison.repeat.psnr));
  const first = continued[0];
  const cells: [string, string][] = [
    ...(first ? ([[db(ours), "PSNR of the continuation (higher is nearer to what really came)"], [db(theirs), "the same for repeating the last given frame"]] as [string, string][]) : []),
    [thousands(tokenizer.parameters + world.parameters), "parameters, trained here from nothing"],
    [duration(Object.values(seconds).reduce((a, b) => a + b, 0)), "for all of it"],
  ];
  return `<h1>${escapeHtml(title)}</h1>
<p class="lead">A tokenizer and a diffusion world model were trained on ${footage.own ? "footage that this demo films itself" : "your footage"}, on this machine's processor. Then the model was given ${world.given} frames that it had never seen, ${(world.given / footage.fps).toFixed(2)} seconds from the opening of a clip, and continued them.</p>
${first ? `${movie(first.sideBySide.file, first.sideBySide.width, first.sideBySide.height, "Left: what really came. Middle: the model's continuation. Right: the last given frame, standing still.")}${speedButtons()}` : ""}
<ul class="figures">${cells.map(([value, label]) => `<li><b>${escapeHtml(value)}</b>${escapeHtml(label)}</li>`).join("")}</ul>
<nav aria-label="Stages">${["Footage", "Tokenizer", "World model", "From noise to video", "Beside the truth", "Guards and marks", "Next"].map((name, i) => `<a href="#stage-${i + 1}">${i + 1} ${name}</a>`).join("")}</nav>`;
}

function footageStage({ footage, seen, held, seconds }: DemoReport): string {
  const { width, height, fps, heldS } = footage;
  const rows = footage.clips.map(({ name, info, notes }) => [name, `${info.width} x ${info.height}`, `${+info.fps.toFixed(2)}`, `${info.durationS.toFixed(1)} s`, notes.join("; ") || "as it is"]);
  return section(
    1, "Footage", seconds["footage"],
    `${footage.own ? "With no clip named, the demo films rubber balls in a room: gravity, bounces, friction and collisions, drawn by a small ray tracer. Name clips of your own (<code>orrery demo clip.mp4</code>) and it learns from those." : `${footage.clips.length} clip${footage.clips.length === 1 ? "" : "s"} of yours.`} Every frame is brought to ${width} x ${height} pixels and ${+fps.toFixed(2)} frames a second. The first ${heldS.toFixed(2)} seconds of each clip are held back: training never sees them, and the continuations below begin there.`,
    table(["clip", "size", "frames/s", "length", "on reading"], rows),
    footage.rejected.length > 0 ? `<h3>Left out</h3>${table(["clip", "why"], footage.rejected.map(({ path, reason }) => [path, reason]))}` : "",
    figure(contactSheet(seen.map(({ name, clip }) => ({ label: name, clip })), { columns: 6 }), "Frames that training sees."),
    figure(contactSheet(held.map(({ name, clip }) => ({ label: name, clip })), { columns: 6 }), "Frames that are held back."),
  );
}

/** Loss by step: every value pale, and a mean over neighbours. */
function lossChart(title: string, loss: Curve): string {
  const window = Math.max(1, Math.round(loss.length / 30));
  const lines: Line[] = [{ label: "loss", colour: 1, points: smoothed(loss, window) }];
  return lineChart(lines, { title, x: "step", y: "loss", fromZero: true, wholeX: true });
}

function tokenizerStage({ tokenizer, seconds }: DemoReport): string {
  const { original, reconstructed, latents, latentShape, compression, reduction } = tokenizer;
  const [, channels, frames, height, width] = latentShape;
  const last = tokenizer.psnr.at(-1);
  return section(
    2, "Tokenizer", seconds["tokenizer"],
    `Pixels are too many to predict one by one. The tokenizer, a network of ${thousands(tokenizer.parameters)} parameters in the shape of Cosmos' ${escapeHtml(compression)}, learns to write a window of frames as a small block of numbers, its <em>latents</em>, and to paint the frames from them again. It was trained for ${tokenizer.steps} steps to lose as little as it can.`,
    lossChart("Loss of the tokenizer by training step", tokenizer.loss),
    figure(contactSheet([{ label: "held back: original", clip: original }, { label: `painted again from latents${last ? `, ${db(last[1])} over held-back clips` : ""}`, clip: reconstructed }], { columns: 6 }), "What the tokenizer loses. The world model cannot be sharper than this."),
    figure(contactSheet([{ label: `latents ${channels} x ${frames} x ${height} x ${width}`, clip: latents }], { columns: 6, zoom: 1 }), `The same window as latents: ${frames} latent frames for ${original.frameCount} frames, ${reduction.toFixed(1)} times fewer numbers. Shown are the three channels (of ${channels}) that vary most, as red, green and blue.`),
  );
}

function worldStage({ world, footage, seconds }: DemoReport): string {
  const lines: Line[] = [{ label: "continuations of held-back openings", colour: 1, points: world.psnr }];
  return section(
    3, "World model", seconds["world"],
    `A diffusion transformer of ${thousands(world.parameters)} parameters, a small configuration of Cosmos' own, learns to predict. In every step it is shown latents of a window of ${world.frames} frames (${(world.frames / footage.fps).toFixed(2)} s): the first ones clean, the others buried in noise of a random strength, and it must say what is under the noise. To do that well it has to know how things move.`,
    lossChart("Loss of the world model by training step", world.loss),
    world.psnr.length > 1 ? lineChart(lines, { title: "PSNR of continuations by training step", x: "step", y: "PSNR, dB", wholeX: true }) : "",
  );
}

function samplingStage({ continued, world, seconds }: DemoReport): string {
  const first = continued[0];
  if (!first) return section(4, "From noise to video", seconds["continue"], "No continuation was allowed; see below.");
  const { args } = first.record;
  const rows = [...first.previews.map(({ done, total, clip }) => ({ label: `after ${done} of ${total} estimates`, clip: tail(clip, world.given) })), { label: "the result", clip: tail(first.made, world.given) }];
  return section(
    4, "From noise to video", seconds["continue"],
    `To continue, the model begins with noise in place of the unknown frames (seed ${args.seed}) and takes it away in ${args.num_inference_steps} steps of the sampler ${escapeHtml(args.sampler ?? "")}. Each row is what it expects at that moment: at first an average of everything possible, then one future among them.`,
    figure(contactSheet(rows, { columns: 8 }), `The ${first.made.frameCount - world.given} frames to be predicted, at several moments of sampling.`),
  );
}

const tail = (clip: Clip, given: number): Clip => sliceClip(clip, Math.min(given, clip.frameCount - 1), clip.frameCount - 1);

function comparisonStage({ continued, seconds, world }: DemoReport): string {
  if (continued.length === 0) return section(5, "Beside the truth", undefined, "There is nothing to compare.");
  const [first, ...others] = continued as [Continued, ...Continued[]];
  const points = (values: readonly number[]): [number, number][] => values.map((v, i) => [world.given + 1 + i, v]);
  const { continuation, repeat, tokenizer } = first.comparison;
  const chart = lineChart(
    [{ label: "continuation", colour: 1, points: points(continuation.perFrame) }, { label: "last frame repeated", colour: 2, points: points(repeat.perFrame) }, { label: "tokenizer alone (the limit)", colour: 3, points: points(tokenizer.perFrame), dashed: true }],
    { title: "PSNR of each predicted frame", x: "frame", y: "PSNR, dB", wholeX: true },
  );
  const rows = continued.map(({ name, comparison: c }) => [name, c.continuation.psnr.toFixed(2), c.repeat.psnr.toFixed(2), signed(c.continuation.psnr - c.repeat.psnr), c.tokenizer.psnr.toFixed(2)]);
  return section(
    5, "Beside the truth", seconds["page"],
    "PSNR counts how near two videos are, pixel by pixel, in decibels; 6 dB more is half the error. A standstill is a hard baseline where little moves, because most pixels stay what they are. The dashed line is the truth itself, once through the tokenizer.",
    chart,
    table(["clip", "continuation, dB", "last frame repeated, dB", "difference, dB", "tokenizer alone, dB"], rows),
    figure(contactSheet([{ label: "what really came", clip: first.truth }, { label: "given, then continued", clip: first.made }], { columns: 6 }), "Frame by frame."),
    ...others.map(({ name, sideBySide: s }) => movie(s.file, s.width, s.height, `${name}: what really came, the continuation, the last given frame.`)),
  );
}

const signed = (value: number): string => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;

function guardStage({ continued, blocked }: DemoReport): string {
  const first = continued[0];
  const rows = first?.record.safety.stages.map(({ stage, decision, guards, uncovered }) => [stage, decision, guards.join(", "), uncovered.length > 0 ? uncovered.join(", ") : "none"]) ?? [];
  const safety = first?.record.safety;
  const marks = first?.record.marks;
  return section(
    6, "Guards and marks", undefined,
    `Every video that Orrery generates goes through one door: guards look at the words and at the frames, and what they do not allow, or cannot check, is not written. ${first ? (safety!.words === "none" ? "This request had no words, so only the video was checked." : "") : ""} What they said is signed and stands beside each video.`,
    rows.length > 0 ? table(["stage", "decision", "guards", "categories that nobody looked for"], rows) : "",
    safety && safety.postprocess.length > 0 ? `<p>Afterwards: ${escapeHtml(safety.postprocess.join("; "))}.</p>` : "",
    safety && marks
      ? table(["mark", ""], [
          ["watermark in the pixels", `number ${marks.watermark.id}, ${marks.watermark.read_back ? "read back from the file" : "but the video has too few pixels for it to be read back"}`],
          ["content credential (C2PA)", marks.c2pa.self_issued ? "in the file, signed with a certificate that this installation made for itself" : "in the file, signed"],
          ["safety record", `beside the file, signed by key ${safety.signed_by.slice(0, 16)}…`],
        ])
      : "",
    blocked.length > 0 ? `<h3>Not allowed</h3>${table(["clip", "why"], blocked.map(({ name, message }) => [name, message]))}` : "",
  );
}

function nextStage({ commands }: DemoReport): string {
  return section(
    7, "Next", undefined,
    "A demo's minutes make a small model that is sure of little. The same commands with more footage, more steps and larger sizes make better ones; on real checkpoints nothing changes but the folder.",
    `<pre>${commands.map(({ type, does }) => `# ${escapeHtml(does)}\n${escapeHtml(type)}`).join("\n\n")}</pre>`,
  );
}

