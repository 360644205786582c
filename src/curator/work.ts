/**
 * What a curation keeps about itself in OUT/work, beside the analyses: the sources it found, so that it can decide again without
 * being told the inputs, and what it decided to encode, so that another process can say how far it is.
 */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { OrreryError } from "../errors.ts";
import { readJson, writeJson } from "../registry/index.ts";
import { paths } from "./layout.ts";
import type { SetAside, Source } from "./sources.ts";

export interface Found {
  sources: Source[];
  setAside: SetAside[];
}

const setAsideSchema = z.array(z.object({ path: z.string(), reason: z.string() }));
const foundSchema = z.object({
  sources: z.array(z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), path: z.string(), info: z.looseObject({ width: z.number(), height: z.number(), fps: z.number(), durationS: z.number(), sizeBytes: z.number() }) })),
  setAside: setAsideSchema,
});
const decidedSchema = z.object({ failed: z.number(), clips: z.number(), kept: z.array(z.string()), lost: z.number(), scoreOnly: z.boolean() });

/** Sources that could not be decoded, candidates, ids of those that stay, how many of them could not be encoded, and whether they are to be encoded. */
export type Decided = z.output<typeof decidedSchema>;

export const saveFound = (out: string, found: Found): Promise<void> => writeJson(paths(out).sources, { ...found });

/** The sources of a dataset. Throws `file_not_found` where there is none, `bad_config` where the file is not ours. */
export async function loadFound(out: string): Promise<Found> {
  const file = paths(out).sources;
  try {
    return foundSchema.parse(await readJson(file)) as unknown as Found;
  } catch (error) {
    if (error instanceof OrreryError && error.code === "file_not_found")
      throw new OrreryError("file_not_found", `${out} is no curated dataset, or its sources are still being opened: ${file} is not there; make it with orrery curate INPUT… -o ${out}`, { cause: error });
    if (error instanceof OrreryError) throw error;
    throw new OrreryError("bad_config", `${file} is not a list of sources as orrery curate writes it; run orrery curate on ${dirname(dirname(file))} again`, { cause: error });
  }
}

export const saveDecided = (out: string, decided: Decided): Promise<void> => writeJson(paths(out).decided, decided);

export const forgetDecided = (out: string): Promise<void> => rm(paths(out).decided, { force: true });

/** What was decided last; undefined while sources are still being measured. */
export async function loadDecided(out: string): Promise<Decided | undefined> {
  try {
    return decidedSchema.parse(await readJson(paths(out).decided));
  } catch (error) {
    if (error instanceof OrreryError && error.code === "file_not_found") return undefined;
    throw error;
  }
}
