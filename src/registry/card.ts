/** A model's card: what its README.md says, with the front matter that hubs read, and whose licence it is under. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Json } from "./model-folder.ts";

/** Bytes of a file of text that are looked at. */
const largestText = 1 << 18;

export interface ModelCard {
  /** The fields between the dashes at the top; empty when there are none that can be read. */
  front: Json;
  /** The text below. */
  body: string;
}

export interface Licence {
  /** As the card names it, or the first line of a licence file. */
  name: string;
  link?: string;
}

async function readText(path: string): Promise<string | undefined> {
  const status = await stat(path).catch(() => undefined);
  return status?.isFile() && status.size <= largestText ? readFile(path, "utf8").catch(() => undefined) : undefined;
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value.trim() !== "" ? value.trim() : undefined);

export function parseCard(text: string): ModelCard {
  const match = /^---\r?\n(.*?)\r?\n---\r?\n?/s.exec(text);
  if (!match) return { front: {}, body: text };
  const body = text.slice(match[0].length);
  try {
    const front = parse(match[1]!, { maxAliasCount: 0 }) as unknown;
    return { front: typeof front === "object" && front !== null && !Array.isArray(front) ? (front as Json) : {}, body };
  } catch {
    // A card that is not YAML says nothing in fields.
    return { front: {}, body };
  }
}

/** The card in a folder, if it has one of a size that cards have. */
export async function readCard(folder: string): Promise<ModelCard | undefined> {
  const text = await readText(join(folder, "README.md"));
  return text === undefined ? undefined : parseCard(text);
}

/** The licence that a card names. */
export function licenceOfCard({ front }: ModelCard): Licence | undefined {
  const name = textOf(front["license_name"]) ?? textOf(front["license"]);
  const link = textOf(front["license_link"]);
  return name === undefined ? undefined : { name, ...(link === undefined ? {} : { link }) };
}

/** Names under which folders keep the text of a licence. */
export const licenceFiles: readonly string[] = ["LICENSE", "LICENSE.md", "LICENSE.txt"];

/** The licence that a folder's card names, else the first line of its licence file. */
export async function licenceOf(folder: string): Promise<Licence | undefined> {
  const card = await readCard(folder);
  const named = card && licenceOfCard(card);
  if (named) return named;
  for (const name of licenceFiles) {
    const line = (await readText(join(folder, name)))?.split("\n").map((l) => l.replace(/^#+/, "").trim()).find((l) => l !== "");
    if (line) return { name: line.slice(0, 100) };
  }
  return undefined;
}
