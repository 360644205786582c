/**
 * Settings of a training run: a YAML file, then `key=value` words, then flags, checked by one zod schema. The later source
 * wins; what none of them says is the schema's default. A key that the schema does not know is an error in any of them, with
 * the nearest known key. The rule and its order are those of the Cosmos command lines.
 */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import type { z } from "zod";
import { fromSystemError, OrreryError } from "../errors.ts";
import { didYouMean } from "./suggest.ts";

export interface ConfigSources {
  /** What a setting is when nobody says otherwise, where that follows from something else than the schema: a model to go on from. */
  base?: Readonly<Record<string, unknown>>;
  /** Path of a YAML (or JSON) file; of several, the later wins. */
  file?: string | readonly string[] | undefined;
  /** `key=value` words; keys are dotted paths, values are YAML: `optimizer.betas=[0.9, 0.95]`. */
  overrides?: readonly string[];
  /** Values of flags by dotted path; `undefined` means that the flag was not given. */
  flags?: Readonly<Record<string, unknown>>;
}

type Tree = { [key: string]: unknown };

/** Where each setting was last given, for messages. */
type Origins = Map<string, string>;

export async function resolveConfig<S extends z.ZodType>(schema: S, sources: ConfigSources): Promise<z.output<S>> {
  const origins: Origins = new Map();
  const settings: Tree = {};
  if (sources.base) merge(settings, sources.base, schema, [], { origin: "the model", code: "bad_config", origins });
  for (const file of [sources.file ?? []].flat()) {
    const tree = await readConfigFile(file);
    merge(settings, tree, schema, [], { origin: file, code: "bad_config", origins });
  }
  for (const word of sources.overrides ?? []) {
    merge(settings, parseOverride(word), schema, [], { origin: `"${word}"`, code: "bad_argument", origins });
  }
  for (const [path, value] of Object.entries(sources.flags ?? {})) {
    if (value === undefined) continue;
    merge(settings, nest(path.split("."), value), schema, [], { origin: "the command line", code: "bad_argument", origins });
  }
  const result = schema.safeParse(settings);
  if (result.success) return result.data;
  throw new OrreryError("bad_config", result.error.issues.map((issue) => explain(issue, settings, origins)).join("; "));
}

async function readConfigFile(file: string): Promise<Tree> {
  let source: string;
  try {
    source = await readFile(file, "utf8");
  } catch (error) {
    throw fromSystemError(error, file);
  }
  let tree: unknown;
  try {
    tree = parse(source, { maxAliasCount: 100 });
  } catch (error) {
    throw new OrreryError("bad_config", `${file} is not YAML: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
  if (tree === null || tree === undefined) return {};
  if (!isTree(tree)) throw new OrreryError("bad_config", `${file} holds ${kindOf(tree)}; expected settings, one "key: value" a line`);
  return tree;
}

function parseOverride(word: string): Tree {
  const equals = word.indexOf("=");
  const key = word.slice(0, Math.max(0, equals));
  if (equals < 1 || key.split(".").some((part) => part === ""))
    throw new OrreryError("bad_argument", `"${word}" is not a setting; expected key=value, such as optimizer.lr=1e-4`);
  try {
    return nest(key.split("."), parse(word.slice(equals + 1)));
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    throw new OrreryError("bad_argument", `the value of "${word}" is not YAML (${reason}); put text with special characters in quotes`, { cause: error });
  }
}

function nest(path: readonly string[], value: unknown): Tree {
  const [key, ...rest] = path as [string, ...string[]];
  return treeOf([[key, rest.length === 0 ? value : nest(rest, value)]]);
}

/** No prototype, so that a key named `__proto__` is a key like any other (and then an unknown one). */
function treeOf(entries: readonly (readonly [string, unknown])[]): Tree {
  const tree = Object.create(null) as Tree;
  for (const [key, value] of entries) tree[key] = value;
  return tree;
}

interface Layer {
  origin: string;
  code: "bad_config" | "bad_argument";
  origins: Origins;
}

/** Lays `from` over `onto`, group by group, and refuses keys that `schema` does not have. */
function merge(onto: Tree, from: Tree, schema: z.ZodType, path: readonly string[], layer: Layer): void {
  const fields = fieldsOf(schema);
  if (!fields) {
    const place = path.join(".");
    throw new OrreryError(layer.code, `${place || "the configuration"} is not a group of settings; ${layer.origin} gives ${Object.keys(from).map((key) => `${place}.${key}`).join(", ")}`);
  }
  for (const [key, value] of Object.entries(from)) {
    const here = [...path, key];
    const field = fields.named.get(key) ?? fields.rest;
    if (!field) throw unknownKey(here, fields, schema, path, layer);
    layer.origins.set(here.join("."), layer.origin);
    if (isTree(value) && fieldsOf(field)) {
      const group = Object.hasOwn(onto, key) && isTree(onto[key]) ? onto[key] : treeOf([]);
      merge(group, value, field, here, layer);
      onto[key] = group;
    } else {
      onto[key] = value;
    }
  }
}

function unknownKey(path: readonly string[], fields: Fields, group: z.ZodType, groupPath: readonly string[], layer: Layer): OrreryError {
  const key = path.join(".");
  const siblings = [...fields.named.keys()];
  const prefix = groupPath.length > 0 ? `${groupPath.join(".")}.` : "";
  // "lr" at the top is most often "optimizer.lr" without its group.
  const deeper = leavesOf(group).find((leaf) => leaf.split(".").at(-1) === path.at(-1));
  const guess = deeper ? `; did you mean "${prefix}${deeper}"?` : didYouMean(key, siblings.map((name) => prefix + name)) || `; known here: ${siblings.join(", ")}`;
  return new OrreryError(layer.code, `${layer.origin === `"${key}"` ? "" : `${layer.origin}: `}"${key}" is not a setting${guess}`);
}

interface Fields {
  named: Map<string, z.ZodType>;
  /** The schema of keys that have no name of their own, in records and loose objects. */
  rest?: z.ZodType;
}

/** The keys a schema knows, looked for behind defaults, optionality and unions; nothing for a plain value or a list. */
function fieldsOf(schema: z.ZodType): Fields | undefined {
  // zod's own description of a schema; only the members used here, all of them optional because they depend on `type`.
  const def = schema.def as unknown as {
    type: string;
    innerType?: z.ZodType;
    in?: z.ZodType;
    getter?: () => z.ZodType;
    shape?: Record<string, z.ZodType>;
    catchall?: z.ZodType;
    valueType?: z.ZodType;
    options?: readonly z.ZodType[];
  };
  if (def.innerType) return fieldsOf(def.innerType);
  if (def.type === "pipe" && def.in) return fieldsOf(def.in);
  if (def.type === "lazy" && def.getter) return fieldsOf(def.getter());
  if (def.type === "object" && def.shape) {
    const fields: Fields = { named: new Map(Object.entries(def.shape)) };
    if (def.catchall && def.catchall.def.type !== "never") fields.rest = def.catchall;
    return fields;
  }
  if (def.type === "record" && def.valueType) return { named: new Map(), rest: def.valueType };
  if (def.type === "union" && def.options) {
    const variants = def.options.map(fieldsOf).filter((fields) => fields !== undefined);
    if (variants.length === 0) return undefined;
    const rest = variants.find((fields) => fields.rest)?.rest;
    return { named: new Map(variants.flatMap((fields) => [...fields.named])), ...(rest ? { rest } : {}) };
  }
  return undefined;
}

/** Dotted paths of every plain setting below a schema. */
function leavesOf(schema: z.ZodType, depth = 0): string[] {
  const fields = depth < 8 ? fieldsOf(schema) : undefined;
  return [...(fields?.named ?? [])].flatMap(([key, field]) =>
    fieldsOf(field) ? leavesOf(field, depth + 1).map((leaf) => `${key}.${leaf}`) : [key],
  );
}

function explain(issue: z.core.$ZodIssue, settings: Tree, origins: Origins): string {
  const path = issue.path.map(String);
  let given: unknown = settings;
  for (const key of path) given = isTree(given) || Array.isArray(given) ? (given as Tree)[key] : undefined;
  let origin: string | undefined;
  for (let length = path.length; length > 0 && origin === undefined; length--) origin = origins.get(path.slice(0, length).join("."));
  const what = path.join(".") || "the configuration";
  if (given === undefined) return `${what} is missing: ${issue.message}`;
  return `${what} is ${JSON.stringify(given)}${origin ? ` (from ${origin})` : ""}: ${issue.message}`;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : typeof value === "string" ? "text" : `a ${typeof value}`;
}
