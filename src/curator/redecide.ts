/** Deciding again about a dataset, and its report anew, from what is stored: the sources are opened only to encode clips that are new. */
import { readJson } from "../registry/index.ts";
import { judge, settle, type CurateOptions } from "./curate.ts";
import { paths } from "./layout.ts";
import { writeReport } from "./report.ts";
import { curateSchema } from "./settings.ts";
import type { Summary } from "./summary.ts";
import { forgetDecided, loadFound } from "./work.ts";

/** Where a dataset's settings are kept. */
export const settingsFile = (out: string): string => paths(out).settings;

export interface Redecided {
  summary: Summary;
  /** Ids of clips that stay now and did not before, and of those that stayed and do not now. */
  added: string[];
  removed: string[];
}

/**
 * Decides again by `settings`. Clips are encoded as the dataset's last run did, unless `encode` says so. Throws as `curate`, and
 * `file_not_found` where the folder is no finished dataset.
 */
export async function redecide(out: string, { encode, ...options }: Omit<CurateOptions, "scoreOnly"> & { encode: boolean }): Promise<Redecided> {
  const found = await loadFound(out);
  const last = (await readJson(paths(out).summary)) as unknown as Summary;
  const before = await judge(found, out, { ...options, scoreOnly: true, settings: curateSchema.parse(await readJson(paths(out).settings)) });
  await forgetDecided(out);
  const { summary, decisions } = await settle(found, out, { ...options, scoreOnly: !encode && last.score_only });
  const keptIds = ({ clips }: typeof decisions): Set<string> => new Set(clips.filter(({ keep }) => keep).map(({ clip }) => clip.id));
  const [old, now] = [keptIds(before.decisions), keptIds(decisions)];
  return { summary, added: [...now].filter((id) => !old.has(id)), removed: [...old].filter((id) => !now.has(id)) };
}

/** Writes report.html anew. Gives its path. Throws as `redecide`. */
export async function rewriteReport(out: string, options: Omit<CurateOptions, "scoreOnly" | "settings">): Promise<string> {
  const settings = curateSchema.parse(await readJson(paths(out).settings));
  const summary = (await readJson(paths(out).summary)) as unknown as Summary;
  const { decisions } = await judge(await loadFound(out), out, { ...options, settings, scoreOnly: true });
  await writeReport(out, decisions, summary, settings);
  return paths(out).report;
}
