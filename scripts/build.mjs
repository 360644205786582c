/**
 * dist/ from src/: the TypeScript compiler, plus files of other kinds copied as they are. A stamp with a digest of everything
 * that went in says whether dist/ is current. `node scripts/build.mjs` builds whatever the stamp says.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { alone, root, runVisibly, say, SetupError } from "./say.mjs";

const src = join(root, "src");
const dist = join(root, "dist");
const stamp = join(dist, ".built-from");

/** Every file below a folder, as sorted relative paths with forward slashes. */
function filesBelow(folder, prefix = "") {
  return readdirSync(join(folder, prefix), { withFileTypes: true })
    .flatMap((entry) => {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(folder, path) : [path];
    })
    .sort((a, b) => (a < b ? -1 : 1));
}

/** What is built: no tests, and not the web page, which has its own build. */
const isSource = (path) => !path.startsWith("web/") && !path.endsWith(".test.ts") && !path.includes("/__");

function digest(sources) {
  const hash = createHash("sha256").update(`node ${process.versions.node.split(".")[0]}`);
  for (const path of ["tsconfig.json", "tsconfig.build.json"]) hash.update(readFileSync(join(root, path)));
  for (const path of sources) hash.update(`\n${path}\n`).update(readFileSync(join(src, path)));
  return hash.digest("hex");
}

function isCurrent() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === digest(filesBelow(src).filter(isSource));
}

/** Builds when dist/ is missing or older than src/. Gives true when it did something. */
export async function ensureBuild() {
  // Installed from a registry rather than cloned: dist/ came along, and there is nothing to build from.
  if (!existsSync(join(root, "tsconfig.build.json"))) return false;
  if (isCurrent()) return false;
  return alone(async () => {
    if (isCurrent()) return false;
    await build();
    return true;
  });
}

export async function build() {
  say(existsSync(stamp) ? "src/ has changed; building dist/" : "building dist/");
  const sources = filesBelow(src).filter(isSource);
  const from = digest(sources);
  rmSync(stamp, { force: true });
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const status = await runVisibly(process.execPath, [tsc, "-p", "tsconfig.build.json"]);
  if (status !== 0) throw new SetupError("the build failed (the compiler's words are above)");
  const expected = new Set();
  for (const path of sources) {
    if (path.endsWith(".ts")) {
      const stem = path.slice(0, -".ts".length);
      for (const suffix of [".js", ".js.map", ".d.ts"]) expected.add(stem + suffix);
    } else {
      mkdirSync(dirname(join(dist, path)), { recursive: true });
      cpSync(join(src, path), join(dist, path));
      expected.add(path);
    }
  }
  // What came from a source that is gone would otherwise still be found.
  for (const path of filesBelow(dist)) if (!expected.has(path) && !path.startsWith("web/")) rmSync(join(dist, path));
  writeFileSync(stamp, from);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    await alone(build);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
