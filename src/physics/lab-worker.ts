/** A thread of the laboratory: does one task after the other. Pictures travel by handing over their memory. */
import { parentPort } from "node:worker_threads";
import { OrreryError } from "../errors.ts";
import { performTask, type LabAnswer, type LabTask } from "./lab-task.ts";

export interface WorkerReply {
  id: number;
  answer?: LabAnswer;
  error?: { code?: OrreryError["code"]; message: string };
}

parentPort?.on("message", ({ id, task }: { id: number; task: LabTask }) => {
  void performTask(task).then(
    (answer) => parentPort!.postMessage({ id, answer } satisfies WorkerReply, answer.kind === "render" ? answer.clips.map((clip) => clip.frames.buffer as ArrayBuffer) : []),
    (error: unknown) => parentPort!.postMessage({ id, error: { ...(error instanceof OrreryError ? { code: error.code } : {}), message: error instanceof Error ? (error instanceof OrreryError ? error.message : (error.stack ?? error.message)) : String(error) } } satisfies WorkerReply),
  );
});
