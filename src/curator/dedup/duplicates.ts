/**
 * Duplicates among clips, and which of each group stays. Candidates come from frames that fall into the same bucket of random
 * hyperplanes (Charikar 2002), so that not every clip meets every other; each candidate pair is then compared frame by frame.
 * The clip of the highest true resolution stays (an enlarged copy has none), then the better, the longer, the smaller id.
 */
import { RandomState } from "../../tensor/random.ts";
import { compare, prepare, type Footage, type Likeness, type Prepared } from "./compare.ts";
import { dot, lookSize, lookVector } from "./descriptor.ts";

export interface DuplicateClip extends Footage {
  id: string;
  /** Pixels of the source, width times height. */
  pixels: number;
  /** Median blur at the source's resolution, by which an enlarged copy is known. */
  blur: number;
  quality: number;
  durationS: number;
}

export interface DuplicateRules {
  /** Least cosine of looks, and of happenings. */
  look: number;
  happening: number;
  /** Share of a clip that another one must show, for the first to be superfluous. */
  share: number;
}

export const defaultDuplicateRules: DuplicateRules = { look: 0.9, happening: 0.6, share: 0.8 };

export interface DuplicatePair {
  kept: string;
  dropped: string;
  reason: "copy" | "contained";
  look: number;
  happening: number;
  /** Why this one stays. */
  because: "resolution" | "quality" | "length" | "id";
}

const [tables, bits] = [8, 12];

/** Finds what is superfluous: each dropped clip once, with the clip that stays for it. The order of clips does not matter. */
export function findDuplicates(clips: readonly DuplicateClip[], rules: DuplicateRules = defaultDuplicateRules): DuplicatePair[] {
  const sorted = clips.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const prepared = sorted.map((clip) => prepare(clip));
  // Best first: a clip is only ever dropped for one that itself stays.
  const order = sorted.map((_, i) => i).sort((i, j) => (better(sorted[i]!, sorted[j]!).wins ? -1 : 1));
  const place = new Map(order.map((i, at) => [i, at]));
  const rivals = candidatePairs(prepared).map(([i, j]): [number, number] => (place.get(i)! < place.get(j)! ? [i, j] : [j, i]));
  const byLoser = new Map<number, number[]>();
  for (const [winner, loser] of rivals) byLoser.set(loser, [...(byLoser.get(loser) ?? []), winner]);
  const dropped = new Set<number>();
  const found: DuplicatePair[] = [];
  const settle = (winner: number, loser: number, likeness: Likeness, reason: DuplicatePair["reason"]): void => {
    dropped.add(loser);
    found.push({ kept: sorted[winner]!.id, dropped: sorted[loser]!.id, reason, look: likeness.look, happening: likeness.happening, because: reason === "contained" ? "length" : better(sorted[winner]!, sorted[loser]!).because });
  };
  for (const loser of order)
    for (const winner of (byLoser.get(loser) ?? []).sort((i, j) => place.get(i)! - place.get(j)!)) {
      if (dropped.has(loser)) break;
      if (dropped.has(winner)) continue;
      const likeness = compare(prepared[winner]!, prepared[loser]!);
      if (!likeness || likeness.look < rules.look || likeness.happening < leastHappening(likeness, rules)) continue;
      if (likeness.shareOfSecond >= rules.share) settle(winner, loser, likeness, likeness.shareOfFirst >= rules.share ? "copy" : "contained");
      // A sharper excerpt of a longer clip: the longer one stays, whatever their sizes.
      else if (likeness.shareOfFirst >= rules.share) settle(loser, winner, likeness, "contained");
    }
  return found.sort((a, b) => (a.kept === b.kept ? (a.dropped < b.dropped ? -1 : 1) : a.kept < b.kept ? -1 : 1));
}

/** A few frames correlate by chance: hands go up and come down. The fewer there are, the more alike they must be. */
const leastHappening = ({ frames }: Likeness, { happening }: DuplicateRules): number => Math.max(happening, 0.92 - 0.02 * frames);

/** Sharpness that a copy loses when it is enlarged. */
const enlarged = 0.05;

function better(a: DuplicateClip, b: DuplicateClip): { wins: boolean; because: DuplicatePair["because"] } {
  const size = (one: DuplicateClip, other: DuplicateClip): number => (one.pixels > other.pixels && one.blur > other.blur + enlarged ? other.pixels : one.pixels);
  const [pa, pb] = [size(a, b), size(b, a)];
  if (Math.max(pa, pb) > 1.1 * Math.min(pa, pb)) return { wins: pa > pb, because: "resolution" };
  if (Math.abs(a.quality - b.quality) > 0.005) return { wins: a.quality > b.quality, because: "quality" };
  if (Math.abs(a.durationS - b.durationS) > 0.1) return { wins: a.durationS > b.durationS, because: "length" };
  return { wins: a.id < b.id, because: "id" };
}

/** Pairs of clips with a frame in one bucket, by position, each once. */
function candidatePairs(prepared: readonly Prepared[]): [number, number][] {
  const random = new RandomState(20_251_124);
  const planes = Array.from({ length: tables * bits }, () => random.standardNormalFloat32(lookSize.width * lookSize.height * 3));
  const buckets = new Map<number, Set<number>>();
  for (const [i, { pictures }] of prepared.entries())
    for (const picture of pictures[0]!) {
      const look = lookVector(picture);
      for (let table = 0; table < tables; table++) {
        let key = table;
        for (let bit = 0; bit < bits; bit++) key = key * 2 + (dot(planes[table * bits + bit]!, look) > 0 ? 1 : 0);
        let bucket = buckets.get(key);
        if (!bucket) buckets.set(key, (bucket = new Set()));
        bucket.add(i);
      }
    }
  const pairs = new Set<number>();
  for (const bucket of buckets.values()) {
    const members = [...bucket];
    for (let p = 0; p < members.length; p++) for (let q = p + 1; q < members.length; q++) pairs.add(members[p]! * prepared.length + members[q]!);
  }
  return [...pairs].sort((a, b) => a - b).map((key) => [Math.floor(key / prepared.length), key % prepared.length]);
}
