/** The percentile cut: which clips are the worst of their resolution class. Opens when every clip has its score. */

export interface Ranked {
  id: string;
  /** Pixels of the source's shorter side. */
  side: number;
  score: number;
}

/** Classes of the webdataset shards of cosmos-curator, with what lies below them. */
export function resolutionClass(side: number): string {
  return side < 480 ? "lt_480" : side < 720 ? "lt_720" : side < 1080 ? "lt_1080" : "ge_1080";
}

export interface Rank {
  class: string;
  /** Share of its class that is worse, 0..1. */
  percentile: number;
  /** Falls under the cut. */
  cut: boolean;
}

/**
 * Ranks clips and cuts the lowest `share` of each class, rounded down: of six clips 15 % is none. Equal scores are ordered by
 * id, so that the cut does not depend on the order of work.
 */
export function rankQuality(clips: readonly Ranked[], share: number): Map<string, Rank> {
  const ranks = new Map<string, Rank>();
  for (const name of new Set(clips.map(({ side }) => resolutionClass(side)))) {
    const sorted = clips.filter(({ side }) => resolutionClass(side) === name).sort((a, b) => a.score - b.score || (a.id < b.id ? -1 : 1));
    const cut = Math.floor(share * sorted.length + 1e-9);
    for (const [i, { id }] of sorted.entries()) ranks.set(id, { class: name, percentile: sorted.length > 1 ? i / (sorted.length - 1) : 1, cut: i < cut });
  }
  return ranks;
}
