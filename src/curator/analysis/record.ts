/**
 * An analysis on disk: one safetensors file a source, named by the hash of the source, so that an analysis is never made twice
 * and never mistaken for another's. Files appear whole or not at all; one of an older version counts as absent.
 */
import { join } from "node:path";
import { OrreryError } from "../../errors.ts";
import { openSafetensors, writeSafetensors, type Checkpoint, type SafetensorsEntry } from "../../weights/index.ts";
import { lookSize } from "../dedup/descriptor.ts";
import type { MotionStep } from "../motion/meter.ts";
import type { QualityFeatures } from "../quality/features.ts";
import type { SmallWindow } from "../quality/small-meter.ts";
import type { Transition, TransitionType } from "../shots/detector.ts";
import { analysisVersion, type Analysis } from "./analysis.ts";

export const recordPath = (folder: string, sourceSha256: string): string => join(folder, `${sourceSha256}.safetensors`);

/** Columns of the tables, in order; the name is the field's. */
const stepColumns = ["fromFrame", "toFrame", "durationS", "tx", "ty", "zoom", "roll", "inliers", "objects", "told"] as const satisfies readonly (keyof MotionStep)[];
const detailColumns = ["blur", "detail", "blockiness", "noise", "brightness", "low", "high", "clipped", "banding"] as const satisfies readonly (keyof QualityFeatures)[];
const transitionTypes: readonly TransitionType[] = ["hard", "fade", "dissolve"];

type Table = { name: string; rows: readonly (readonly number[])[]; columns: number };

/** Writes an analysis. Equal analyses are equal bytes. */
export async function saveAnalysis(path: string, analysis: Analysis): Promise<void> {
  const { times, transitions, steps, details, windows, descriptors, warnings } = analysis;
  const tables: Table[] = [
    { name: "transitions", columns: 5, rows: transitions.map((t) => [transitionTypes.indexOf(t.type), t.frame, t.firstFrame, t.lastFrame, t.score]) },
    { name: "steps", columns: stepColumns.length, rows: steps.map((s) => stepColumns.map((c) => s[c])) },
    { name: "details", columns: detailColumns.length + 1, rows: [...details].map(([index, f]) => [index, ...detailColumns.map((c) => f[c])]) },
    { name: "windows", columns: 9, rows: windows.map((w) => [w.firstFrame, w.lastFrame, w.repeated, w.bars.top, w.bars.bottom, w.bars.left, w.bars.right, w.still, w.moved]) },
    { name: "looks", columns: 2, rows: descriptors.map((d) => [d.index, d.timeS]) },
  ];
  const cells = lookSize.width * lookSize.height;
  const entries: SafetensorsEntry[] = [
    { name: "times", dtype: "F64", shape: [times.length], data: times },
    ...tables.map(({ name, rows, columns }): SafetensorsEntry => ({ name, dtype: "F64", shape: [rows.length, columns], data: Float64Array.from(rows.flat()) })),
    { name: "colours", dtype: "U8", shape: [descriptors.length, cells * 3], data: Buffer.concat(descriptors.map((d) => d.colours)) },
  ];
  await writeSafetensors(path, entries, { kind: "orrery-analysis", version: String(analysisVersion), warnings: JSON.stringify(warnings) });
}

/** Reads an analysis; undefined where there is none of this version. */
export async function loadAnalysis(path: string): Promise<Analysis | undefined> {
  let file: Checkpoint;
  try {
    file = await openSafetensors(path);
  } catch (error) {
    if (error instanceof OrreryError && (error.code === "file_not_found" || error.code === "bad_checkpoint")) return undefined;
    throw error;
  }
  try {
    if (file.metadata.get("version") !== String(analysisVersion)) return undefined;
    const doubles = async (name: string): Promise<Float64Array> => {
      const bytes = await file.read(name);
      return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    };
    const rows = async (name: string): Promise<number[][]> => {
      const [count, columns] = file.info(name).shape as [number, number];
      const data = await doubles(name);
      return Array.from({ length: count }, (_, i) => [...data.subarray(i * columns, (i + 1) * columns)]);
    };
    const fields = <K extends string>(names: readonly K[], values: readonly number[]): Record<K, number> => Object.fromEntries(names.map((n, i) => [n, values[i]!])) as Record<K, number>;
    const cells = lookSize.width * lookSize.height;
    const [colours, looks] = [await file.read("colours"), await rows("looks")];
    return {
      times: await doubles("times"),
      transitions: (await rows("transitions")).map(([type, frame, firstFrame, lastFrame, score]): Transition => ({ type: transitionTypes[type!]!, frame: frame!, firstFrame: firstFrame!, lastFrame: lastFrame!, score: score! })),
      steps: (await rows("steps")).map((row) => fields(stepColumns, row)),
      details: new Map((await rows("details")).map(([index, ...row]) => [index!, fields(detailColumns, row)])),
      windows: (await rows("windows")).map(([firstFrame, lastFrame, repeated, top, bottom, left, right, still, moved]): SmallWindow => ({
        firstFrame: firstFrame!, lastFrame: lastFrame!, repeated: repeated!, bars: { top: top!, bottom: bottom!, left: left!, right: right! }, still: still!, moved: moved!,
      })),
      descriptors: looks.map(([index, timeS], i) => ({ index: index!, timeS: timeS!, colours: colours.subarray(i * cells * 3, (i + 1) * cells * 3) })),
      warnings: JSON.parse(file.metadata.get("warnings") ?? "[]") as string[],
    };
  } finally {
    await file.close();
  }
}
