/** The curve of a run: `metrics.jsonl`, append-only and cut back on resume, and the same figures for TensorBoard. */
import { appendFile, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fromSystemError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { scalarEvent, versionEvent } from "./tensorboard.ts";

export interface MetricsLog {
  log(step: number, values: Readonly<Record<string, number>>): Promise<void>;
}

/** Opens the log of a run that continues at `step`: lines of later steps, from work that was lost, are dropped. */
export async function openMetrics(out: string, step: number): Promise<MetricsLog> {
  const path = join(out, "metrics.jsonl");
  const before = await readFile(path, "utf8").catch(() => "");
  const kept = before.split("\n").filter((line) => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step;
    } catch {
      return false;
    }
  });
  await writeFileAtomic(path, kept.map((l) => `${l}\n`).join(""));
  const seconds = (): number => Date.now() / 1000;
  const events = join(out, `events.out.tfevents.${Math.floor(seconds())}.${hostname()}.${process.pid}`);
  const append = (file: string, data: string | Uint8Array): Promise<void> =>
    appendFile(file, data).catch((error: unknown) => {
      throw fromSystemError(error, file);
    });
  await append(events, versionEvent(seconds()));
  return {
    async log(at, values) {
      await append(path, `${JSON.stringify({ step: at, ...values })}\n`);
      await append(events, scalarEvent(seconds(), at, values));
    },
  };
}
