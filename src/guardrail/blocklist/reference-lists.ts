/**
 * Block lists in the reference's folder layout: `custom/` (words that block), `whitelist/` (words that do not) and
 * `exact_match/` (forms that block as they stand), every file a list with a word or phrase a line. They carry no categories
 * or severities, so all of `custom/` and `exact_match/` is severity 3 of one category, which the caller names.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import type { CategoryId } from "../taxonomy.ts";
import { words, type Element, type Entry, type Lists } from "./entries.ts";

const maxBytes = 16 << 20;

/** Reads such a folder. Throws `file_not_found` or `bad_config`, the latter where it has neither `custom/` nor `exact_match/`. */
export async function readReferenceLists(folder: string, category: CategoryId = "O13"): Promise<Lists> {
  const [custom, exact, white] = await Promise.all(["custom", "exact_match", "whitelist"].map((name) => linesBelow(join(folder, name))));
  if (!custom && !exact) throw new OrreryError("bad_config", `${folder} is no block list of the reference: expected folders custom/ or exact_match/ with a word a line in their files`);
  const entry = (text: string, isExact: boolean): Pick<Entry, "text" | "elements"> => ({ text, elements: words(text).map((word): Element => ({ kind: "words", forms: [word], exact: isExact })) });
  const entries = [...(custom ?? []).map((text) => entry(text, false)), ...(exact ?? []).map((text) => entry(text, true))];
  const usable = <T extends { elements: readonly Element[] }>(list: readonly T[]): T[] => list.filter((e) => e.elements.length > 0);
  return { entries: usable(entries).map((e) => ({ ...e, category, severity: 3 })), allowed: usable((white ?? []).map((text) => entry(text, false))), groups: new Map() };
}

async function linesBelow(folder: string): Promise<string[] | undefined> {
  try {
    const names = (await readdir(folder, { withFileTypes: true })).filter((e) => e.isFile() && !e.name.startsWith(".")).map((e) => e.name).sort();
    const texts = await Promise.all(
      names.map(async (name) => {
        const path = join(folder, name);
        const { size } = await stat(path);
        if (size > maxBytes) throw new OrreryError("bad_config", `${path} has ${size} bytes; a block list has at most ${maxBytes}`);
        return readFile(path, "utf8");
      }),
    );
    return [...new Set(texts.flatMap((text) => text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"))))];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fromSystemError(error, folder);
  }
}
