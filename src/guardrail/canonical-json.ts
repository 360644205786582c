/**
 * Canonical JSON (RFC 8785, "JCS"): the one spelling of a value that is signed and hashed. ECMAScript's own number and string
 * spelling is what the RFC prescribes, so that only the order of names and the refusal of what is not JSON are left to do.
 */
import { OrreryError } from "../errors.ts";

/**
 * The canonical text of a JSON value. Properties that are `undefined` are left out, as in `JSON.stringify`.
 * @throws `bad_argument` for what JSON cannot say: NaN, infinities, bigints, functions, halves of characters, cycles.
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > 100) throw refused("it is nested deeper than 100 levels, or refers to itself");
  switch (typeof value) {
    case "string":
      if (/\p{Surrogate}/u.test(value)) throw refused("a text holds half of a character (a lone surrogate)");
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) throw refused(`it holds the number ${value}`);
      return JSON.stringify(value);
    case "boolean":
      return String(value);
    case "object":
      break;
    default:
      throw refused(`it holds a ${typeof value}`);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(",")}]`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw refused("it holds an object that is neither plain nor a list");
  // Sorting by UTF-16 code units is what `sort` does by itself.
  const names = Object.keys(value).filter((name) => (value as Record<string, unknown>)[name] !== undefined).sort();
  return `{${names.map((name) => `${canonicalJson(name)}:${canonicalJson((value as Record<string, unknown>)[name], depth + 1)}`).join(",")}}`;
}

const refused = (why: string): OrreryError => new OrreryError("bad_argument", `a value has no canonical JSON: ${why}`);
