/**
 * What classifiers of single frames have in common: their classes, mapped to our categories by name and completely, and how
 * probabilities become findings. A class that nothing says the meaning of is an error: it could never block.
 */
import type { z } from "zod";
import { OrreryError } from "../../errors.ts";
import { frameAt, type Picture } from "../../video/index.ts";
import type { PolicyEntry } from "../policy.ts";
import { categories, categoryIds, fromVocabulary, isCategoryId, type CategoryId, type Vocabulary } from "../taxonomy.ts";
import type { Finding, Guard, Strength } from "../verdict.ts";

/** Reads a policy entry's options. @throws `bad_config` naming what is wrong. */
export function parseOptions<S extends z.ZodType>(schema: S, entry: Pick<PolicyEntry, "name" | "options">): z.output<S> {
  const result = schema.safeParse(entry.options);
  if (result.success) return result.data;
  throw new OrreryError("bad_config", `the options of "${entry.name}" are not valid: ${result.error.issues.map((i) => `${i.path.join(".") || "options"}: ${i.message}`).join("; ")}`);
}

/** The classes of a classifier in its order; `undefined` for one that means no harm. */
export type ClassTable = readonly { name: string; category: CategoryId | undefined }[];

interface Meaning {
  /** What the user says of names. */
  categories: Readonly<Record<string, string>>;
  /** Where other names are looked up. */
  vocabulary?: Vocabulary;
  /** Names that mean no harm. */
  harmless: readonly string[];
  /** Whose classes they are, for messages. */
  where: string;
}

/** @throws `bad_config` when a name is unknown or unclear, a category does not exist, or nothing is harmless or harmful. */
export function classTable(names: readonly string[], { categories: said, vocabulary, harmless, where }: Meaning): ClassTable {
  const bad = (what: string): OrreryError => new OrreryError("bad_config", `"${where}": ${what}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw bad(`two classes are called "${twice}"`);
  for (const [name, category] of Object.entries(said)) {
    if (!names.includes(name)) throw bad(`"categories" speaks of "${name}", but the classes are ${names.join(", ")}`);
    if (!isCategoryId(category)) throw bad(`"categories" puts "${name}" into "${category}"; expected one of ${categoryIds.map((id) => `${id} (${categories[id]})`).join(", ")}`);
  }
  for (const name of harmless) if (!names.includes(name)) throw bad(`there is no class "${name}" to mean no harm; the classes are ${names.join(", ")}`);
  const table = names.map((name) => {
    if (harmless.includes(name) && Object.hasOwn(said, name)) throw bad(`"${name}" is said to be harmless and to be ${said[name]}`);
    const category = harmless.includes(name) ? undefined : ((said[name] as CategoryId | undefined) ?? (vocabulary ? fromVocabulary(vocabulary, name)?.id : undefined));
    if (category === undefined && !harmless.includes(name)) throw bad(`nothing says what the class "${name}" means, so it could never block; put it into "categories", or say that it is harmless`);
    return { name, category };
  });
  if (table.every(({ category }) => category === undefined)) throw bad("every class is harmless, so nothing would ever block");
  return table;
}

interface FrameClassifier {
  model: string;
  version: string;
  strength?: Strength;
  table: ClassTable;
  /** Probabilities of the classes. */
  classify(picture: Picture): Promise<ArrayLike<number>>;
  /**
   * What a confidence is. "all": the probability of the category. "harmless": its probability against the harmless classes
   * alone, so that 0.5 is where a harm becomes likelier than none, which is what the reference's argmax asks.
   */
  against: "all" | "harmless";
  /** Classes that settle nothing by themselves: how sure each may make us at most. */
  ceilings?: Readonly<Record<string, number>>;
  /** Shorter side in pixels below which a picture tells the classifier nothing certain, and how sure it may then be at most. */
  small?: { side: number; ceiling: number };
  close(): Promise<void>;
}

/** The probability that any of the classes is right, of which some never raise it beyond their ceiling. */
function together(classes: readonly { p: number; ceiling: number }[]): number {
  const rising = classes.toSorted((a, b) => b.ceiling - a.ceiling);
  return rising.reduce((sum, { p, ceiling }) => Math.max(sum, Math.min(ceiling, sum + p)), 0);
}

/** Findings below this are noise. */
const leastConfidence = 0.05;

/** A guard that asks a classifier about each frame it is given. */
export function frameGuard({ model, version, strength = "small-model", table, classify, against, ceilings = {}, small, close }: FrameClassifier): Guard {
  const covers = categoryIds.filter((id) => table.some(({ category }) => category === id));
  const harmless = table.flatMap(({ category }, i) => (category === undefined ? [i] : []));
  return {
    model, version, strength, covers,
    stages: ["video"],
    async check(subject, { signal }) {
      if (subject.stage !== "video") throw new OrreryError("internal", `${model} was asked about a ${subject.stage}`);
      const findings: Finding[] = [];
      const tooSmall = small !== undefined && Math.min(subject.clip.width, subject.clip.height) < small.side;
      for (let frame = 0; frame < subject.clip.frameCount; frame++) {
        signal.throwIfAborted();
        const probabilities = await classify(frameAt(subject.clip, frame));
        if (probabilities.length !== table.length || !Array.from(probabilities).every((p) => p >= 0 && p <= 1 + 1e-4)) throw new OrreryError("bad_checkpoint", `${model} answered frame ${frame} with ${probabilities.length} values, not all of them probabilities; ${table.length} were expected`);
        const calm = against === "all" ? 0 : Math.max(...harmless.map((i) => probabilities[i]!));
        for (const id of covers) {
          const mine = table.flatMap(({ name, category }, i) => (category === id ? [{ name, p: probabilities[i]!, ceiling: Math.min(ceilings[name] ?? 1, tooSmall ? small.ceiling : 1) }] : []));
          const best = mine.reduce((x, y) => (y.p > x.p ? y : x));
          const confidence = Math.min(tooSmall ? small.ceiling : 1, against === "all" ? together(mine) : best.p + calm === 0 ? 0 : best.p / (best.p + calm));
          if (confidence >= leastConfidence) findings.push({ category: id, confidence, frame, evidence: [`${best.name} ${best.p.toFixed(3)}${harmless.length > 0 ? `, harmless ${Math.max(...harmless.map((i) => probabilities[i]!)).toFixed(3)}` : ""}${tooSmall ? `, of a picture below ${small.side} pixels` : ""}`] });
        }
      }
      return { findings, framesChecked: subject.clip.frameCount };
    },
    close,
  };
}
