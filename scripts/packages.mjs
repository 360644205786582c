/** The npm packages: are exactly those of package-lock.json installed, and if not, install them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { alone, root, runVisibly, say, SetupError } from "./say.mjs";

/**
 * npm writes what it installed to node_modules/.package-lock.json as its last act, so an interrupted installation and a
 * changed lock file both show up as a difference. Packages for other systems are optional, and may be absent.
 */
function difference() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8")).packages;
  const wanted = read("package-lock.json");
  let present;
  try {
    present = read("node_modules/.package-lock.json");
  } catch {
    return "packages are not installed";
  }
  for (const [path, { version, integrity, optional }] of Object.entries(wanted)) {
    if (path === "") continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const there = present[path];
    if (!there) {
      if (optional) continue;
      return `${name} is not installed`;
    }
    if (there.version !== version || (integrity && there.integrity && there.integrity !== integrity)) return `${name} is not at ${version}`;
  }
  // The list may outlive what it lists.
  if (!existsSync(join(root, "node_modules/typescript/package.json"))) return "packages are not installed";
  return undefined;
}

/** Installs what is missing. Gives true when it did something. */
export async function ensurePackages() {
  // Installed from a registry rather than cloned: npm has already done this.
  if (!existsSync(join(root, "package-lock.json"))) return false;
  if (!difference()) return false;
  return alone(async () => {
    const reason = difference();
    if (!reason) return false;
    say(`${reason}; running npm install --no-save (a minute or two the first time)`);
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    // Not `npm ci`: it refuses a lock file that lacks an optional package for some other system, and a registry mirror that
    // has only some systems makes such lock files. `install --no-save` takes the locked versions, checks their digests, and
    // leaves the lock file alone.
    const args = ["install", "--no-save", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
    let status;
    try {
      status = await runVisibly(npm, args, { shell: process.platform === "win32" });
    } catch (error) {
      throw new SetupError(`npm cannot be started (${error.code}); install npm, then run the same command again`);
    }
    if (status !== 0) throw new SetupError("npm install failed (its own words are above); check the connection to your npm registry, then run the same command again");
    return true;
  });
}
