/**
 * Entries of a block list and the small language they are written in. A list is a text file of lines
 *
 *   O1 2: slit ~2 throat, stab ~2 %person        category, severity (3 certain, 2 strong, 1 context), entries
 *   allow: kill switch, blood orange             phrases in which a hit is none
 *   %blade: knife, sword, machete                a group of words that entries name
 *   # ...                                        a remark
 *
 * In an entry a word stands for its inflections (`=word` for this form alone, `stem*` for every word that begins so), `a/b`
 * for either, `%group` for any of a group, `~2` for up to two words in between.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromSystemError, OrreryError } from "../../errors.ts";
import { isCategoryId, type CategoryId } from "../taxonomy.ts";
import { read } from "./read.ts";

export type Severity = 1 | 2 | 3;

export type Element = { kind: "words"; forms: readonly string[]; exact: boolean } | { kind: "stem"; stem: string } | { kind: "gap"; most: number };

export interface Entry {
  /** As written: what an audit shows. */
  text: string;
  elements: readonly Element[];
  category: CategoryId;
  severity: Severity;
}

export interface Lists {
  entries: readonly Entry[];
  allowed: readonly Pick<Entry, "text" | "elements">[];
  /** Words of each group, by its name with the "%". */
  groups: ReadonlyMap<string, readonly string[]>;
}

/** Reads list files; groups of one are known to all. Throws `bad_config` with file and line. */
export function parseLists(files: readonly { name: string; text: string }[]): Lists {
  const lines = files.flatMap(({ name, text }) =>
    text.split(/\r?\n/).map((line, i) => ({ where: `${name}, line ${i + 1}`, line: line.trim() })).filter(({ line }) => line !== "" && !line.startsWith("#")),
  );
  const groups = new Map<string, string[]>();
  const rest: { where: string; head: string; items: string[] }[] = [];
  for (const { where, line } of lines) {
    const found = /^([^:]+):(.*)$/.exec(line);
    if (!found) throw new OrreryError("bad_config", `block list ${where}: expected "CATEGORY SEVERITY: entry, entry", "allow: ..." or "%group: ...", found "${line.slice(0, 60)}"`);
    const head = found[1]!.trim();
    const items = found[2]!.split(",").map((item) => item.trim()).filter(Boolean);
    if (head.startsWith("%")) {
      if (groups.has(head)) throw new OrreryError("bad_config", `block list ${where}: group ${head} is there twice`);
      groups.set(head, items);
    } else rest.push({ where, head, items });
  }
  const resolved = new Map<string, string[]>();
  const group = (name: string, where: string): string[] => {
    let forms = resolved.get(name);
    if (!forms) resolved.set(name, (forms = [...new Set(resolve(name, where))]));
    return forms;
  };
  const resolve = (name: string, where: string, path: readonly string[] = []): string[] => {
    const items = groups.get(name);
    if (!items || path.includes(name)) throw new OrreryError("bad_config", `block list ${where}: ${items ? `group ${name} names itself` : `there is no group ${name}`}`);
    return items.flatMap((item) => (item.startsWith("%") ? resolve(item, where, [...path, name]) : words(item)));
  };
  const entries: Entry[] = [];
  const allowed: Lists["allowed"][number][] = [];
  for (const { where, head, items } of rest) {
    const [category, severity] = head.split(/\s+/);
    const allow = head === "allow";
    if (!allow && (!isCategoryId(category) || !/^[123]$/.test(severity ?? ""))) throw new OrreryError("bad_config", `block list ${where}: "${head}" is not a category (O1 to O13) and a severity (1 to 3)`);
    for (const text of items) {
      const elements = parseElements(text, (name) => group(name, where));
      if (elements.length === 0 || elements[0]!.kind === "gap") throw new OrreryError("bad_config", `block list ${where}: "${text}" does not begin with a word`);
      if (allow) allowed.push({ text, elements });
      else entries.push({ text, elements, category: category as CategoryId, severity: Number(severity) as Severity });
    }
  }
  for (const name of groups.keys()) group(name, "the groups");
  return { entries, allowed, groups: resolved };
}

/** Words of a text as the reader of prompts would cut it. */
export const words = (text: string): string[] => (/^[a-z]+$/.test(text) ? [text] : read(text).map((t) => t.native ?? t.word));

function parseElements(text: string, group: (name: string) => string[]): Element[] {
  return text.split(/\s+/).flatMap((item): Element[] => {
    if (/^~\d$/.test(item)) return [{ kind: "gap", most: Number(item[1]) }];
    if (item.startsWith("%")) return [{ kind: "words", forms: group(item), exact: false }];
    if (item.endsWith("*")) return [{ kind: "stem", stem: words(item.slice(0, -1)).join("") }];
    if (item.startsWith("=")) return [{ kind: "words", forms: words(item.slice(1)), exact: true }];
    if (item.includes("/")) return [{ kind: "words", forms: item.split("/").flatMap(words), exact: false }];
    // One item may be several words of the reader: characters of Chinese, parts of a hyphenated word.
    return words(item).map((word) => ({ kind: "words", forms: [word], exact: false }));
  });
}

let standard: Lists | undefined;
const maxListBytes = 4 << 20;

/** The lists that are part of Orrery. */
export function standardLists(): Lists {
  if (standard) return standard;
  return (standard = parseLists(listFiles(standardFolder)));
}

const standardFolder = fileURLToPath(new URL("./lists/", import.meta.url));

/** Reads folders of list files, with the standard ones or without; own lists may use the standard groups. Throws `bad_config`. */
export async function readLists(folders: readonly string[], withStandard: boolean): Promise<Lists> {
  if (folders.length === 0) return withStandard ? standardLists() : { entries: [], allowed: [], groups: new Map() };
  const given = (await Promise.all(folders.map(async (folder) => readListFiles(folder)))).flat();
  return parseLists([...listFiles(standardFolder).filter(({ name }) => withStandard || name === "classes.txt"), ...given]);
}

function listFiles(folder: string): { name: string; text: string }[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".txt")).sort();
  return names.map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
}

async function readListFiles(folder: string): Promise<{ name: string; text: string }[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".txt")).sort();
    if (names.length === 0) throw new OrreryError("bad_config", `${folder} has no list files (*.txt)`);
    return await Promise.all(
      names.map(async (name) => {
        const path = join(folder, name);
        const { size } = await stat(path);
        if (size > maxListBytes) throw new OrreryError("bad_config", `${path} has ${size} bytes; a list file has at most ${maxListBytes}`);
        return { name: path, text: await readFile(path, "utf8") };
      }),
    );
  } catch (error) {
    throw fromSystemError(error, folder);
  }
}
