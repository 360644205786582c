/** The block list: reading of disguised text, lists written for a visual world model, matching on base forms. */
export { blocklistGuard, confidenceOf, findingsOf, openBlocklist, openStandardMatcher } from "./guard.ts";
export { parseLists, readLists, standardLists, type Element, type Entry, type Lists, type Severity } from "./entries.ts";
export { readReferenceLists } from "./reference-lists.ts";
export { matcher, type Hit, type Matcher, type Reading } from "./match.ts";
export { openLexicon, type Lexicon, type PartOfSpeech } from "./lexicon.ts";
export { read, type Disguise, type Token } from "./read.ts";
