#!/usr/bin/env node
/** Starts the built command line; in a fresh clone it builds it first. Its own imports are few, because `--help` must be quick. */
import { existsSync } from "node:fs";
import module from "node:module";

const built = new URL("../dist/cli/main.js", import.meta.url);
if (!existsSync(built)) {
  const [{ ensurePackages }, { ensureBuild }, { say, SetupError }] = await Promise.all([
    import("../scripts/packages.mjs"),
    import("../scripts/build.mjs"),
    import("../scripts/say.mjs"),
  ]);
  try {
    say("dist/ is missing");
    await ensurePackages();
    await ensureBuild();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exit(1);
  }
}
// Node 22 and newer keep compiled code between starts.
module.enableCompileCache?.();
const { start } = await import(built.href);
await start();
