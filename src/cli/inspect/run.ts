/** How far a training run is: its settings, checkpoints and last figures (`training/run-folder.ts` has the layout). */
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { readJson, type Json } from "../../registry/index.ts";

export interface RunReport {
  kind: "run";
  path: string;
  settings: Json;
  /** Class of the model in training. */
  className?: string;
  /** Steps finished in the newest checkpoint, and asked for. */
  step?: number;
  steps?: number;
  /** The last line of metrics.jsonl. */
  metrics?: Record<string, number>;
  checkpoints: { name: string; bytes: number; latest: boolean }[];
  samples: string[];
}

const list = (folder: string): Promise<string[]> => readdir(folder).then((names) => names.filter((n) => !n.startsWith(".")).sort(), () => []);
const number = (value: unknown): number | undefined => (typeof value === "number" && Number.isFinite(value) ? value : undefined);

/** Bytes of the end of metrics.jsonl among which the last line is looked for. */
const tailBytes = 1 << 16;

async function lastMetrics(path: string): Promise<Record<string, number> | undefined> {
  const handle = await open(path, "r").catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, size - buffer.length);
    // A process that was killed may have left half a line.
    for (const line of buffer.toString("utf8", 0, bytesRead).split("\n").reverse()) {
      try {
        const value = JSON.parse(line) as unknown;
        if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).filter(([, v]) => typeof v === "number"));
      } catch {
        continue;
      }
    }
    return undefined;
  } finally {
    await handle.close();
  }
}

/** @throws `bad_config` when run.json is damaged. */
export async function inspectRun(folder: string): Promise<RunReport> {
  const settings = await readJson(join(folder, "run.json"));
  const config = await readJson(join(folder, "config.json")).catch((): Json => ({}));
  const latest = (await readFile(join(folder, "checkpoints/latest"), "utf8").catch(() => "")).trim();
  const checkpoints: RunReport["checkpoints"] = [];
  for (const name of await list(join(folder, "checkpoints"))) {
    if (!/^step-\d+$/.test(name)) continue;
    const { size } = await stat(join(folder, "checkpoints", name, "state.safetensors")).catch(() => ({ size: 0 }));
    checkpoints.push({ name, bytes: size, latest: name === latest });
  }
  const state = checkpoints.some((c) => c.latest) ? await readJson(join(folder, "checkpoints", latest, "trainer.json")).catch((): Json => ({})) : {};
  const schedule = settings["schedule"] as Json | undefined;
  const metrics = await lastMetrics(join(folder, "metrics.jsonl"));
  const found = { className: config["_class_name"] as string | undefined, step: number(state["step"]), steps: number(settings["steps"]) ?? number(schedule?.["steps"]), metrics };
  const known = Object.fromEntries(Object.entries(found).filter(([, v]) => v !== undefined));
  return { kind: "run", path: folder, settings, ...known, checkpoints, samples: await list(join(folder, "samples")) };
}
