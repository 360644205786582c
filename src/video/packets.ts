/**
 * The coded pictures of a file, without their container: what stays the same when somebody copies a video into another file
 * (a remux) and changes with the first frame that is encoded again.
 */
import { OrreryError } from "../errors.ts";
import { lastComplaint, runTool, videoInput } from "./ffmpeg.ts";
import type { VideoInfo } from "./probe.ts";

/** SHA-256, hex, over the packets of the video stream. @throws `bad_video`, `missing_dependency`, `cancelled`. */
export async function hashPackets(info: Pick<VideoInfo, "path" | "streamIndex">, options: { signal?: AbortSignal | undefined; timeoutS?: number } = {}): Promise<string> {
  const { code, stdout, stderr } = await runTool(
    "ffmpeg",
    [...videoInput(info.path), "-map", `0:${info.streamIndex}`, "-c", "copy", "-f", "hash", "-hash", "sha256", "pipe:1"],
    { what: `reading the packets of ${info.path}`, signal: options.signal, timeoutS: options.timeoutS ?? 600 },
  );
  const digest = /^SHA256=([0-9a-f]{64})/.exec(stdout.toString("latin1"))?.[1];
  if (code !== 0 || digest === undefined) throw new OrreryError("bad_video", `${info.path}: its video stream cannot be read (${lastComplaint(stderr)}); it is damaged, copy it again`);
  return digest;
}
