/**
 * The house stands: a room imports only rooms on floors below it, the ground imports nothing, and a few habits that keep it
 * readable hold. Whoever adds a room adds it to `floors`; whoever needs a way between two rooms of one floor adds it to
 * `doors` with its reason.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { errorCatalogue } from "../src/errors.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const floors: readonly (readonly string[])[] = [
  ["tensor"],
  ["nn", "weights", "video", "dataset", "language"],
  ["tokenizer", "training", "registry", "physics", "jobs"],
  ["curator", "guardrail", "world", "reasoner", "provenance"],
  ["generation", "redteam", "evaluation"],
  ["cli", "server", "web"],
];

/** Ways between rooms of one floor: `from -> to`, and why. */
const doors: Readonly<Record<string, string>> = {
  "dataset -> video": "a dataset is clips on disk, and reading a clip is video's business",
  "tokenizer -> training": "a tokenizer is trained by the loop that trains everything",
  "tokenizer -> registry": "a codec opens a tokenizer folder, and folders of models are the registry's business",
};

/** Files that every room may import, and that import only each other. */
const ground = ["errors.ts", "file-hash.ts", "home.ts", "html.ts", "partial-file.ts", "progress.ts"];

const maxLines = 500;
const isGenerated = (file: string): boolean => file.startsWith("tensor/onnx/gen/");
const isTest = (file: string): boolean => file.endsWith(".test.ts");

interface Import {
  file: string;
  /** As written. */
  specifier: string;
  /** Inside src/, for a relative import. */
  target?: string;
}

/** Blanks out comments; strings and templates stay, so that a `//` inside one is no comment. */
export function withoutComments(source: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`|\/\/[^\n]*|\/\*[^]*?\*\//g;
  return source.replace(token, (found) => (found.startsWith("//") || found.startsWith("/*") ? " " : found));
}

/** Static and dynamic imports, re-exports, and workers named by `new URL("./x.ts", import.meta.url)`. */
export function importsOf(source: string): string[] {
  const patterns = [
    /(?:^|[;\n}])\s*(?:import|export)\b(?![.(])[^;"'`=()]*?\bfrom\s*["']([^"']+)["']/g,
    /(?:^|[;\n}])\s*import\s*["']([^"']+)["']/g,
    /\bimport\s*\(\s*["'`]([^"'`]+)["'`]/g,
    /\bnew\s+URL\(\s*["']([^"']+\.[jt]s)["']\s*,\s*import\.meta\.url/g,
  ];
  const code = withoutComments(source);
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]!));
}

const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts"))
  .sort();
const sources = new Map(files.map((file) => [file, readFileSync(join(root, "src", file), "utf8")]));
const productFiles = files.filter((file) => !isTest(file));
const rooms = [...new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!))];

const imports: Import[] = productFiles.flatMap((file) =>
  importsOf(sources.get(file)!).map((specifier): Import => {
    if (!specifier.startsWith(".")) return { file, specifier };
    return { file, specifier, target: posix.join(posix.dirname(file), specifier) };
  }),
);

const floorOf = (room: string): number => floors.findIndex((floor) => floor.includes(room));
const roomOf = (file: string): string | undefined => (file.includes("/") ? file.split("/")[0] : undefined);

/** What is wrong with an import, if anything. */
function complaint({ file, specifier, target }: Import): string | undefined {
  if (target === undefined) return specifier.startsWith("orrery/") ? `${file} imports ${specifier}; rooms import each other by relative path` : undefined;
  if (target.startsWith("../")) {
    return target === "../package.json" ? undefined : `${file} imports ${specifier}, which is outside src/`;
  }
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === to) return undefined;
  if (to === undefined) return ground.includes(target) ? undefined : `${file} imports ${target}, which is not of the ground`;
  if (from === undefined) return `${file} is of the ground and imports ${target}`;
  if (floorOf(to) < floorOf(from) || `${from} -> ${to}` in doors) return undefined;
  const way = floorOf(to) === floorOf(from) ? "sideways" : "upwards";
  return `${file} imports ${target}: ${way}, from ${from} (floor ${floorOf(from)}) to ${to} (floor ${floorOf(to)})`;
}

describe("the house", () => {
  test("every room has a floor, and only the ground lies beside the rooms", () => {
    expect(rooms.filter((room) => floorOf(room) < 0)).toEqual([]);
    expect(files.filter((file) => !file.includes("/") && !isTest(file))).toEqual(ground);
  });

  test("no room imports upwards, sideways or around the outside", () => {
    expect(imports.map(complaint).filter(Boolean)).toEqual([]);
  });

  test("every door is between rooms of one floor and is used", () => {
    for (const door of Object.keys(doors)) {
      const [from, to] = door.split(" -> ") as [string, string];
      expect(floorOf(from), door).toBe(floorOf(to));
      if (!rooms.includes(from)) continue;
      expect(imports.some(({ file, target }) => roomOf(file) === from && target !== undefined && roomOf(target) === to), `${door} is used`).toBe(true);
    }
  });

  test("an import upwards would be noticed", () => {
    const found = (file: string, source: string): (string | undefined)[] =>
      importsOf(source).map((specifier) => complaint({ file, specifier, target: posix.join(posix.dirname(file), specifier) }));
    expect(found("nn/a.ts", `import type { A } from "../tokenizer/index.ts";`)[0]).toMatch(/upwards/);
    expect(found("nn/a.ts", `const a = await import("../weights/index.ts");`)[0]).toMatch(/sideways/);
    expect(found("nn/a.ts", `export {\n  a,\n  b,\n} from "../cli/main.ts";`)[0]).toMatch(/upwards/);
    expect(found("nn/a.ts", `import "../cli/main.ts";`)[0]).toMatch(/upwards/);
    expect(found("nn/a.ts", `new Worker(new URL("../cli/main.js", import.meta.url))`)[0]).toMatch(/upwards/);
    expect(found("errors.ts", `import { a } from "./tensor/index.ts";`)[0]).toMatch(/of the ground/);
    expect(found("nn/a.ts", `// import "../cli/main.ts";\n/* import "../cli/main.ts"; */\nconst url = "http://a"; import b from "../tensor/index.ts";`)).toEqual([undefined]);
  });

  test("tensor/ runs in a browser: Node's modules only in its Node runtime", () => {
    const nodeOnly = /^tensor\/runtime\/(node[\w-]*|[\w-]*worker[\w-]*)\.ts$/;
    const offenders = imports.filter(
      ({ file, specifier }) => file.startsWith("tensor/") && !nodeOnly.test(file) && /^(node:|onnxruntime-node$)/.test(specifier),
    );
    expect(offenders).toEqual([]);
  });

  test("Node's own modules are imported with their prefix", () => {
    const bare = new Set(["fs", "path", "os", "url", "util", "crypto", "stream", "events", "child_process", "worker_threads", "zlib", "http", "net"]);
    expect(imports.filter(({ specifier }) => bare.has(specifier.split("/")[0]!))).toEqual([]);
  });
});

describe("habits", () => {
  test("every room names what it offers in an index.ts, without `export *` and without default exports", () => {
    // cli/ and web/ offer nothing to other rooms: they are entered by a program and by a page.
    const offering = rooms.filter((room) => room !== "cli" && room !== "web");
    expect(offering.filter((room) => !sources.has(`${room}/index.ts`))).toEqual([]);
    const wildcard = productFiles.filter((file) => !isGenerated(file) && /^export \*/m.test(withoutComments(sources.get(file)!)));
    expect(wildcard).toEqual([]);
    expect(productFiles.filter((file) => !file.startsWith("web/") && /^export default\b/m.test(withoutComments(sources.get(file)!)))).toEqual([]);
  });

  test(`no file is longer than ${maxLines} lines`, () => {
    const long = productFiles.filter((file) => !isGenerated(file) && sources.get(file)!.trimEnd().split("\n").length > maxLines);
    expect(long).toEqual([]);
  });
});

describe("documents", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");

  test("README's table of error codes is the catalogue", () => {
    const rows = [...readme.matchAll(/^\| `(\w+)` \| (\d+) \| (.+) \|$/gm)].map(([, code, exit, means]) => [code, Number(exit), means]);
    expect(rows).toEqual(Object.entries(errorCatalogue).map(([code, { exit, means }]) => [code, exit, means]));
  });

  test("ARCHITECTURE names every room and every dependency", () => {
    const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
    expect(floors.flat().filter((room) => !text.includes(`\`${room}/\``))).toEqual([]);
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<"dependencies" | "devDependencies", Record<string, string>>;
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).filter((name) => !name.startsWith("@types/"));
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test("links between documents lead somewhere", () => {
    for (const name of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "LOGBOOK.md", "CHANGELOG.md"]) {
      const links = [...readFileSync(join(root, name), "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1]!);
      expect(links.filter((link) => !existsSync(join(root, link))), name).toEqual([]);
    }
  });
});
