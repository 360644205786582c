/**
 * The block list as a guard. Confidence follows severity: 3 is 1, 2 is 0.9, 1 is 0.3 (context, which decides nothing alone)
 * or 0.85 where the word was disguised on purpose: who writes "k1ll" or "b o m b" knows that it is looked for.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { OrreryError } from "../../errors.ts";
import type { PolicyEntry } from "../policy.ts";
import { categoryIds, isCategoryId, type CategoryId } from "../taxonomy.ts";
import type { Finding, Guard } from "../verdict.ts";
import { readLists, standardLists, type Lists } from "./entries.ts";
import { matcher, type Hit, type Matcher } from "./match.ts";
import type { Disguise } from "./read.ts";
import { readReferenceLists } from "./reference-lists.ts";

const bySeverity = { 1: 0.3, 2: 0.9, 3: 1 } as const;
const disguisedContext = 0.85;
/** Disguises that nobody makes by accident: letters are swapped, doubled or lost in ordinary typing too. */
const deliberate: ReadonlySet<Disguise> = new Set<Disguise>(["leet", "look-alikes", "spaced", "masked"]);

let standardMatcher: Matcher | undefined;

/** The matcher over the lists that are part of Orrery; made once, since it takes a moment. */
export const openStandardMatcher = (): Matcher => (standardMatcher ??= matcher(standardLists()));

/** Confidence that a hit means harm. */
export function confidenceOf({ entry, disguise, to, from }: Hit): number {
  if (entry.severity === 1 && disguise !== undefined && deliberate.has(disguise) && to - from === 1 && entry.text.length >= 4) return disguisedContext;
  return bySeverity[entry.severity];
}

/** The block list over the standard lists, or over others. */
export function blocklistGuard(lists: Lists = standardLists()): Guard {
  const use = lists === standardLists() ? openStandardMatcher() : matcher(lists);
  const digest = createHash("sha256");
  for (const e of lists.entries) digest.update(`${e.category} ${e.severity}: ${e.text}\n`);
  for (const e of lists.allowed) digest.update(`allow: ${e.text}\n`);
  const covers = categoryIds.filter((id) => lists.entries.some((e) => e.category === id && e.severity > 1));
  return {
    model: `orrery-blocklist (${lists.entries.length} entries)`,
    version: digest.digest("hex"),
    strength: "pattern",
    covers,
    stages: ["prompt", "upsampled-prompt", "negative-prompt"],
    check: (subject) => {
      if (subject.stage === "video") return Promise.reject(new TypeError("the block list reads text, and was given a video"));
      return Promise.resolve({ findings: findingsOf(use.read(subject.text).hits, subject.text) });
    },
  };
}

const settings = z.strictObject({
  /** Folders of list files of one's own, in the language of `entries.ts`. */
  lists: z.array(z.string().min(1)).max(32).default([]),
  /** A folder in the reference's layout (custom/, exact_match/, whitelist/), and the category that its words are of. */
  reference: z.strictObject({ folder: z.string().min(1), category: z.custom<CategoryId>(isCategoryId, "expected a category, O1 to O13").default("O13") }).optional(),
  /** Whether the standard lists are read as well. */
  standard: z.boolean().default(true),
});

/** Opens the block list with a policy entry's options: the standard lists, one's own, the reference's. Throws `bad_config`. */
export async function openBlocklist({ options }: Pick<PolicyEntry, "options">): Promise<Guard> {
  const given = settings.safeParse(options);
  if (!given.success) throw new OrreryError("bad_config", `options of the block list: ${given.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`, { cause: given.error });
  const { lists, reference, standard } = given.data;
  const own = await readLists(lists, standard);
  const foreign = reference ? await readReferenceLists(reference.folder, reference.category) : undefined;
  const all = foreign ? { entries: [...own.entries, ...foreign.entries], allowed: [...own.allowed, ...foreign.allowed], groups: own.groups } : own;
  if (all.entries.length === 0) throw new OrreryError("bad_config", "the block list has no entries: it reads neither the standard lists nor others");
  return blocklistGuard(all);
}

/** One finding a category: its surest hit, and all of its words as evidence. */
export function findingsOf(hits: readonly Hit[], text: string): Finding[] {
  const byCategory = new Map<CategoryId, Hit[]>();
  for (const hit of hits) byCategory.set(hit.entry.category, [...(byCategory.get(hit.entry.category) ?? []), hit]);
  return [...byCategory].map(([category, all]) => ({
    category,
    confidence: Math.max(...all.map(confidenceOf)),
    evidence: all.slice(0, 50).map((hit) => {
      const written = text.slice(hit.start, hit.end);
      return `"${written.slice(0, 200)}" (entry "${hit.entry.text}", severity ${hit.entry.severity}${hit.disguise ? `, ${hit.disguise}` : ""})`;
    }),
  }));
}
