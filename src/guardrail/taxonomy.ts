/**
 * One table of harm categories. The canonical ids are the thirteen of Aegis 1.0 (Ghosh et al. 2024, "AEGIS: Online Adaptive AI
 * Content Safety Moderation"); every other guard's labels are mapped to them by name. Mapping is never by position in a list:
 * the reference implementation does that, with two categories left out, and so reports three of them under a wrong name.
 */

export const categories = {
  O1: "Violence",
  O2: "Sexual",
  O3: "Criminal Planning/Confessions",
  O4: "Guns and Illegal Weapons",
  O5: "Controlled/Regulated Substances",
  O6: "Suicide and Self Harm",
  O7: "Sexual (minor)",
  O8: "Hate/Identity Hate",
  O9: "PII/Privacy",
  O10: "Harassment",
  O11: "Threat",
  O12: "Profanity",
  O13: "Needs Caution",
} as const;

export type CategoryId = keyof typeof categories;

export const categoryIds = Object.keys(categories) as readonly CategoryId[];

/** Whether a text of unknown origin is one of our ids. */
export function isCategoryId(text: unknown): text is CategoryId {
  return typeof text === "string" && Object.hasOwn(categories, text);
}

/** The other vocabularies that are understood. */
export type Vocabulary = "aegis" | "llama-guard-3" | "nemoguard" | "qwen3guard" | "openai" | "cosmos-video";

interface ForeignCategory {
  /** What the source calls it. */
  label: string;
  id: CategoryId;
}

/**
 * Foreign code or label (lower case) to our id. Where a source divides the world differently, the nearest category that
 * blocks is taken; what Aegis has no word for (elections, defamation, copyright, ...) is O13, Needs Caution. The foreign
 * label is kept as evidence of every verdict, so nothing is lost by mapping.
 */
const tables: Readonly<Record<Vocabulary, Readonly<Record<string, ForeignCategory>>>> = {
  aegis: table(Object.entries(categories).map(([id, label]) => [id, label, id as CategoryId])),
  "llama-guard-3": table([
    ["S1", "Violent Crimes", "O1"],
    ["S2", "Non-Violent Crimes", "O3"],
    ["S3", "Sex-Related Crimes", "O2"],
    ["Sex Crimes", "Sex Crimes", "O2"],
    ["S4", "Child Sexual Exploitation", "O7"],
    ["Child Exploitation", "Child Exploitation", "O7"],
    ["S5", "Defamation", "O10"],
    ["S6", "Specialized Advice", "O13"],
    ["S7", "Privacy", "O9"],
    ["S8", "Intellectual Property", "O13"],
    ["S9", "Indiscriminate Weapons", "O4"],
    ["S10", "Hate", "O8"],
    ["S11", "Suicide & Self-Harm", "O6"],
    ["Self-Harm", "Self-Harm", "O6"],
    ["S12", "Sexual Content", "O2"],
    ["S13", "Elections", "O13"],
    ["S14", "Code Interpreter Abuse", "O3"],
  ]),
  nemoguard: table([
    ["S1", "Violence", "O1"],
    ["S2", "Sexual", "O2"],
    ["S3", "Criminal Planning/Confessions", "O3"],
    ["S4", "Guns and Illegal Weapons", "O4"],
    ["S5", "Controlled/Regulated Substances", "O5"],
    ["S6", "Suicide and Self Harm", "O6"],
    ["S7", "Sexual (minor)", "O7"],
    ["S8", "Hate/Identity Hate", "O8"],
    ["S9", "PII/Privacy", "O9"],
    ["S10", "Harassment", "O10"],
    ["S11", "Threat", "O11"],
    ["S12", "Profanity", "O12"],
    ["S13", "Needs Caution", "O13"],
    ["S14", "Other", "O13"],
    ["S15", "Manipulation", "O13"],
    ["S16", "Fraud/Deception", "O3"],
    ["S17", "Malware", "O3"],
    ["S18", "High Risk Gov Decision Making", "O13"],
    ["S19", "Political/Misinformation/Conspiracy", "O13"],
    ["S20", "Copyright/Trademark/Plagiarism", "O13"],
    ["S21", "Unauthorized Advice", "O13"],
    ["S22", "Illegal Activity", "O3"],
    ["S23", "Immoral/Unethical", "O13"],
  ]),
  qwen3guard: table([
    ["violent", "Violent", "O1"],
    ["non-violent illegal acts", "Non-violent Illegal Acts", "O3"],
    ["sexual content or sexual acts", "Sexual Content or Sexual Acts", "O2"],
    ["pii", "PII", "O9"],
    ["personally identifiable information", "PII", "O9"],
    ["suicide & self-harm", "Suicide & Self-Harm", "O6"],
    ["unethical acts", "Unethical Acts", "O13"],
    ["politically sensitive topics", "Politically Sensitive Topics", "O13"],
    ["copyright violation", "Copyright Violation", "O13"],
    ["jailbreak", "Jailbreak", "O13"],
  ]),
  openai: table([
    ["harassment", "harassment", "O10"],
    ["harassment/threatening", "harassment/threatening", "O11"],
    ["hate", "hate", "O8"],
    ["hate/threatening", "hate/threatening", "O8"],
    ["illicit", "illicit", "O3"],
    ["illicit/violent", "illicit/violent", "O4"],
    ["self-harm", "self-harm", "O6"],
    ["self-harm/intent", "self-harm/intent", "O6"],
    ["self-harm/instructions", "self-harm/instructions", "O6"],
    ["sexual", "sexual", "O2"],
    ["sexual/minors", "sexual/minors", "O7"],
    ["violence", "violence", "O1"],
    ["violence/graphic", "violence/graphic", "O1"],
  ]),
  "cosmos-video": table([
    ["Sexual_Content", "Sexual_Content", "O2"],
    ["Violence", "Violence", "O1"],
    ["Drugs", "Drugs", "O5"],
    ["Child_Abuse", "Child_Abuse", "O7"],
    ["Hate_and_Harassment", "Hate_and_Harassment", "O8"],
    ["Self-Harm", "Self-Harm", "O6"],
  ]),
};

function table(rows: readonly (readonly [code: string, label: string, id: CategoryId])[]): Record<string, ForeignCategory> {
  const byName = Object.create(null) as Record<string, ForeignCategory>;
  for (const [code, label, id] of rows) {
    byName[code.toLowerCase()] = { label, id };
    // Models write the label where the code was asked for, and the other way round.
    byName[label.toLowerCase()] ??= { label, id };
  }
  return byName;
}

/** Our category for another guard's code or label, or `undefined` for one that it does not have. */
export function fromVocabulary(vocabulary: Vocabulary, name: string): ForeignCategory | undefined {
  return tables[vocabulary][name.trim().toLowerCase()];
}

/** Every category that a vocabulary can express: what a guard that speaks it covers at best. */
export function categoriesOf(vocabulary: Vocabulary): readonly CategoryId[] {
  const ids = new Set(Object.values(tables[vocabulary]).map(({ id }) => id));
  return categoryIds.filter((id) => ids.has(id));
}
