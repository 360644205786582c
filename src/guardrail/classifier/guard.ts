/**
 * The small classifier as a guard. It is the weaker layer: it knows what its training text taught it and no more, which its
 * strength, "small-model", says in every verdict. A policy can require it together with a language model.
 */
import { z } from "zod";
import { OrreryError } from "../../errors.ts";
import type { PolicyEntry } from "../policy.ts";
import { categoryIds, type CategoryId } from "../taxonomy.ts";
import type { Finding, Guard } from "../verdict.ts";
import { openClassifier, openStandardClassifier, type Classifier, type Score } from "./model.ts";

const settings = z.strictObject({
  /** A folder with a classifier that was trained by the recipe on text of one's own. */
  folder: z.string().min(1).optional(),
});

/** Findings below this are noise, and are not recorded. */
const least = 0.1;

/** Opens the classifier with a policy entry's options. Throws `bad_config` or `bad_checkpoint`. */
export async function openClassifierGuard({ options }: Pick<PolicyEntry, "options">): Promise<Guard> {
  const given = settings.safeParse(options);
  if (!given.success) throw new OrreryError("bad_config", `options of the built-in classifier: ${given.error.issues.map((i) => `${i.path.join(".") || "fields"}: ${i.message}`).join("; ")}`, { cause: given.error });
  return classifierGuard(await (given.data.folder === undefined ? openStandardClassifier() : openClassifier(given.data.folder)));
}

export function classifierGuard(classifier: Classifier): Guard {
  return {
    model: `orrery-prompt-classifier ${classifier.version} (2.1 M parameters)`,
    version: classifier.sha256,
    strength: "small-model",
    covers: categoryIds,
    stages: ["prompt", "upsampled-prompt", "negative-prompt"],
    check: (subject) => {
      if (subject.stage === "video") return Promise.reject(new TypeError("the classifier reads text, and was given a video"));
      return Promise.resolve({ findings: findingsOf(classifier.score(subject.text), subject.text) });
    },
  };
}

/** The likeliest category carries the probability of harm; others that are likely too carry their share of it. */
export function findingsOf({ harm, categories, start, end }: Score, text: string): Finding[] {
  if (harm < least) return [];
  const sorted = categoryIds.map((id) => [id, categories[id]] as [CategoryId, number]).sort((a, b) => b[1] - a[1]);
  const passage = text.slice(start, end);
  return sorted
    .filter(([, p], i) => i === 0 || p >= 0.5)
    .map(([category, p], i) => ({ category, confidence: i === 0 ? harm : Math.min(harm, p), evidence: [`"${passage.slice(0, 300)}" (probability of harm ${harm.toFixed(2)})`] }));
}
