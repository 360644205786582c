/** What the boundaries of a video look like: a row for each, with frames from before, within and behind. */
import { OrreryError } from "../../errors.ts";
import { contactSheet, makeClip, readFrames, writePng, type SheetRow } from "../../video/index.ts";
import type { Shots } from "./find-shots.ts";

const mostRows = 60;
const columns = 6;

/** Writes a PNG. Throws `bad_argument` when the video has no boundary to draw. */
export async function pictureOfShots({ info, transitions }: Shots, path: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
  if (transitions.length === 0) throw new OrreryError("bad_argument", `${info.path} has no shot boundary, so there is nothing to draw in ${path}; leave --picture out`);
  const shown = transitions.slice(0, mostRows).map((one) => {
    const first = Math.max(0, Math.min(one.frame, one.firstFrame) - 2);
    const last = Math.max(one.frame, one.lastFrame) + 2;
    const wanted = Array.from({ length: columns }, (_, k) => first + Math.round((k * (last - first)) / (columns - 1)));
    return { one, wanted: [...new Set(wanted)] };
  });
  const needed = new Set(shown.flatMap(({ wanted }) => wanted));
  const end = Math.max(...needed);
  const pictures = new Map<number, Uint8Array>();
  let size = { width: 0, height: 0 };
  for await (const { index, pixels, width, height } of readFrames(info.path, { info, width: 160, signal, maxFrames: end + 1 })) {
    size = { width, height };
    if (needed.has(index)) pictures.set(index, pixels);
  }
  const rows = shown.map(({ one, wanted }): SheetRow => {
    const frames = wanted.flatMap((index) => pictures.get(index) ?? []);
    return { label: `${one.type} #${one.frame} ${one.ptsS.toFixed(2)}s score ${one.score.toFixed(2)}`, clip: makeClip(new Uint8Array(Buffer.concat(frames)), size.width, size.height, info.fps) };
  });
  await writePng(path, contactSheet(rows, { columns }));
}
