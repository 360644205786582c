/**
 * What is written about a video file, where data sets put it: cosmos-curator's `clips/ID.mp4` with `metas/v0/ID.json` (the
 * laboratory's too), Cosmos-Predict's `videos/NAME.mp4` with `captions/NAME.json` or `metas/NAME.txt` (cosmos-predict2.5
 * `datasets/local_datasets/dataset_video.py`), or `NAME.txt` beside the video.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { z } from "zod";

/** Longest file of captions, in bytes; a longer one is none. */
const largestFile = 2 ** 16;

/** Of cosmos-curator's metadata of a clip. */
const clipMeta = z.object({ windows: z.array(z.record(z.string(), z.unknown())).min(1) });

/** Cosmos-Predict's captions: those of each captioner, by their length. */
const captionsByModel = z.record(z.string(), z.record(z.string(), z.unknown()));

/** The caption of a video; undefined where there is none that can be read. */
export async function captionOfFile(video: string): Promise<string | undefined> {
  const [folder, name] = [dirname(video), basename(video, extname(video))];
  return (await captionOfLayout(basename(folder), dirname(folder), name)) ?? textOf(join(folder, `${name}.txt`));
}

async function captionOfLayout(kind: string, root: string, name: string): Promise<string | undefined> {
  if (kind === "clips") return longest(clipMeta.safeParse(await jsonOf(join(root, "metas", "v0", `${name}.json`))).data?.windows[0], (key) => key.endsWith("_caption"), (key) => !key.endsWith("_short_caption"));
  if (kind !== "videos") return undefined;
  const byModel = captionsByModel.safeParse(await jsonOf(join(root, "captions", `${name}.json`))).data ?? {};
  return longest(Object.values(byModel)[0], () => true, (key) => key === "long") ?? textOf(join(root, "metas", `${name}.txt`));
}

/** Of the captions in a record, one under a key of the long ones if there is such, else the first. */
function longest(record: Readonly<Record<string, unknown>> = {}, isCaption: (key: string) => boolean, isLong: (key: string) => boolean): string | undefined {
  const captions = Object.entries(record).flatMap(([key, value]) => (isCaption(key) && typeof value === "string" && value.trim() !== "" ? [{ key, caption: value.trim() }] : []));
  return (captions.find(({ key }) => isLong(key)) ?? captions[0])?.caption;
}

async function jsonOf(path: string): Promise<unknown> {
  const text = await textOf(path);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A file's words; undefined for one that is not there, is no file, is empty, too large or not UTF-8. */
async function textOf(path: string): Promise<string | undefined> {
  // Without O_NONBLOCK, opening a pipe that somebody put there would wait for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  try {
    const status = await file?.stat();
    if (!file || !status?.isFile() || status.size > largestFile) return undefined;
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.readFile()).trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}
