/** JSON as checkpoints hold it: strict, and without the key twice that `JSON.parse` lets the last writer win. */
import { OrreryError } from "../errors.ts";

/** @throws `bad_checkpoint` naming `what` when the bytes are not UTF-8, not a JSON object, or have a key twice. */
export function parseStrictObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw new OrreryError("bad_checkpoint", `${what} is not valid JSON (${(cause as Error).message}); the file is damaged, so copy or download it again`, { cause });
  }
  if (!isObject(value)) throw new OrreryError("bad_checkpoint", `${what} must be a JSON object`);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new OrreryError("bad_checkpoint", `${what} has the key "${twice}" twice, so readers would disagree on what it means; write it again with the safetensors library`);
  return value;
}

export const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** The first key that an object of a valid JSON text has twice. */
function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x7b) open.push(new Set());
    else if (c === 0x5b) open.push(undefined);
    else if (c === 0x7d || c === 0x5d) open.pop();
    else if (c === 0x22) {
      const start = i++;
      for (; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
      const end = i + 1;
      let next = end;
      while (" \t\n\r".includes(text.charAt(next)) && next < text.length) next++;
      if (text.charCodeAt(next) !== 0x3a) continue;
      // Escapes can spell one key in two ways, so keys are compared as what they mean.
      const key = JSON.parse(text.slice(start, end)) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
