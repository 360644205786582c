/**
 * Whether a longer prompt still says what the shorter one said. Three things are looked at: the words of subject and action
 * must still be there; nothing may be added about people's age, gender, ethnicity, religion, body, health or means; and the
 * length must be one that a video model reads. It compares words, not meanings, and errs on the side of refusing: what is
 * refused costs a little beauty, what slips through puts words into somebody's mouth.
 */

const wordsOf = (text: string): string[] => text.toLowerCase().normalize("NFKC").match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu) ?? [];

export const countWords = (text: string): number => text.trim().split(/\s+/).filter(Boolean).length;

const list = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Words that carry no subject and no action. */
const stopWords = list(`a an the this that these those of in on at to from by for with without within into onto over under above below between through across
  around near behind before after during while as and or but nor so if then than there here is are was were be been being am do does did has have had having it its
  they them their he him his she her hers we us our you your i me my who whom whose which what when where why how not no only just very more most some any each every
  all both few many much other another such own same too up down out off again once also can could will would shall should may might must video scene clip shot camera
  view frame background foreground image picture footage show shows showing shown featuring`);

/** Counts must survive whole: two cars are not three. */
const numberWords = list("one two three four five six seven eight nine ten eleven twelve dozen hundred thousand single pair couple first second third");

/** Words that describe people by what they are; each counts on its own, and must be in the original to be in the result. */
const sensitive: Readonly<Record<string, ReadonlySet<string>>> = {
  gender: list("man men woman women male males female females boy boys girl girls lady ladies gentleman gentlemen guy guys he him his himself she her hers herself transgender nonbinary bearded"),
  age: list("child children kid kids toddler toddlers baby babies infant infants teen teens teenager teenagers teenage adolescent adolescents youth youths youngster senior seniors elderly aged grandmother grandfather grandma grandpa"),
  ethnicity: list(`asian asians african africans european caucasian hispanic latino latina latinx arab arabs arabic indian indians chinese japanese korean vietnamese mexican american indigenous
    aboriginal roma jewish slavic nordic mediterranean ethnic ethnicity race racial complexion skinned skin freckles freckled`),
  religion: list("muslim muslims islamic christian christians catholic protestant jew jews hindu hindus buddhist sikh hijab niqab burqa turban kippah nun priest imam rabbi monk religious"),
  body: list("fat obese overweight slim skinny slender petite muscular curvy busty sexy attractive beautiful handsome gorgeous plump chubby pregnant naked nude"),
  health: list("disabled disability wheelchair blind deaf crippled amputee autistic sick ill bald balding"),
  sexuality: list("gay lesbian bisexual queer homosexual heterosexual"),
  means: list("homeless wealthy impoverished refugee immigrant immigrants"),
};

/** Harmless of things, telling of people: counted only where a person follows within three words. */
const tellingOfPeople = list("young younger old older middle black white brown pale dark fair tan tanned poor rich thin heavy tall short");
const people = list(`person people man men woman women human humans adult adults boy boys girl girls child children worker workers operator operators engineer engineers driver drivers
  pedestrian pedestrians cyclist cyclists technician scientist player players chef cook doctor nurse farmer soldier officer student students teacher crowd figure figures couple hand hands face faces individual individuals`);

/** What a result says of people that the original does not: "gender: woman". */
export function sensitiveAdditions(original: string, result: string): string[] {
  const said = new Set(wordsOf(original));
  const words = wordsOf(result);
  const found = new Set<string>();
  words.forEach((word, i) => {
    if (said.has(word)) return;
    for (const [kind, set] of Object.entries(sensitive)) if (set.has(word)) found.add(`${kind}: ${word}`);
    if (tellingOfPeople.has(word) && words.slice(i + 1, i + 4).some((w) => people.has(w))) found.add(`of a person: ${word}`);
    if (/^\d{1,2}$/.test(word) && /^years?$/.test(words[i + 1] ?? "") && words[i + 2] === "old") found.add(`age: ${word} years old`);
  });
  return [...found];
}

/** The words that carry a prompt: its subjects, actions, places and numbers. */
export function contentWords(text: string): string[] {
  return [...new Set(wordsOf(text).filter((w) => !stopWords.has(w) && (w.length > 2 || /\p{N}/u.test(w))))];
}

/** The same word in another form: "stacks" and "stacking", "robot" and "robotic". */
function isKin(a: string, b: string): boolean {
  if (a === b) return true;
  const shared = Math.max(4, Math.min(a.length, b.length) - 2);
  return a.length >= 4 && b.length >= 4 && a.slice(0, shared) === b.slice(0, shared);
}

/** Content words of the original that a result no longer has. */
export function lostWords(original: string, result: string): string[] {
  const have = wordsOf(result);
  return contentWords(original).filter((word) => !have.some((w) => isKin(word, w)));
}

export interface FaithRules {
  /** More words than this are not read by the models that this is for. */
  maxWords: number;
  /** The part of the original's content words that must still be there. */
  minKept: number;
}

/** Why a result must not take the original's place, or `undefined`. */
export function unfaithfulness(original: string, result: string, { maxWords, minKept }: FaithRules): string | undefined {
  if (result.trim() === "") return "it is empty";
  const length = countWords(result);
  if (length > maxWords) return `it has ${length} words, more than ${maxWords}`;
  // oxlint-disable-next-line no-control-regex -- they have no place in a caption
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(result)) return "it holds control characters";
  const added = sensitiveAdditions(original, result);
  if (added.length > 0) return `it says of people what the prompt does not (${added.slice(0, 4).join(", ")})`;
  const lost = lostWords(original, result);
  const counts = lost.filter((w) => numberWords.has(w) || /^\p{N}+$/u.test(w));
  if (counts.length > 0) return `it lost a number of the prompt (${counts.join(", ")})`;
  const all = contentWords(original).length;
  if (all > 0 && 1 - lost.length / all < minKept) return `it lost what the prompt is about (${lost.slice(0, 5).join(", ")})`;
  return undefined;
}
