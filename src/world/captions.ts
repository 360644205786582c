/** The captions of a run's clips, kept in its folder, because asking a set for them may mean making the clips anew. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { OrreryError } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";
import type { ClipSet } from "../dataset/index.ts";
import type { RandomState } from "../tensor/random.ts";
import { readJson, writeJson } from "../registry/index.ts";

/** By entry; an entry that has none gets the empty text. @throws `bad_argument` when no clip has one and that will not do. */
export async function captionsOf(set: ClipSet, folder: string, { mayBeNone = false, signal }: { mayBeNone?: boolean; signal?: AbortSignal | undefined } = {}): Promise<string[]> {
  const path = join(folder, "captions.json");
  const kept = (await stat(path).catch(() => undefined)) ? ((await readJson(path)) as { captions?: [string, string][] }).captions : undefined;
  if (kept && kept.length === set.entries.length && kept.every(([name], i) => name === set.entries[i]!.path)) return kept.map(([, caption]) => caption);
  const captions: string[] = [];
  for (const index of set.entries.keys()) {
    throwIfCancelled(signal, "reading the captions");
    captions.push((await set.caption?.(index)) ?? "");
  }
  if (!mayBeNone && captions.every((caption) => caption === "")) throw new OrreryError("bad_argument", "the model is to learn text, but none of the clips has a caption; give clips as `orrery lab render` or `orrery curate` write them, or write what CLIP.mp4 shows to CLIP.txt beside it, or leave `text` out of the settings");
  await writeJson(path, { captions: captions.map((caption, i) => [set.entries[i]!.path, caption]) });
  return captions;
}

/** What is shown of a caption: all of it, now and then nothing, or only its first sentences. */
export function shownCaption(caption: string, { dropout, shorten }: { dropout: number; shorten: number }, random: RandomState): string {
  if (random.random() < dropout) return "";
  if (random.random() >= shorten) return caption;
  const sentences = caption.match(/[^.!?]+[.!?]*\s*/g) ?? [caption];
  return sentences.slice(0, 1 + random.randint(0, sentences.length)).join("").trim();
}
