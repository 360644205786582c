/**
 * Makes this folder ready: `node scripts/setup.mjs --for test|demo|run`. Installs what is missing, says each step in a line,
 * and says nothing when nothing is to do. npm's pre- and post-hooks do not run in this repository (`ignore-scripts`), so
 * `npm test` and `npm run demo` begin with this script. Plain Node without packages: it runs before there are any.
 */
import { ensureBuild } from "./build.mjs";
import { ensurePackages } from "./packages.mjs";
import { ensureChromium, ensureFfmpeg } from "./programs.mjs";
import { say, SetupError } from "./say.mjs";

const purposes = ["test", "demo", "run"];

function purposeOf(words) {
  if (words.length === 0) return "run";
  const [flag, purpose] = words;
  if (words.length === 2 && flag === "--for" && purposes.includes(purpose)) return purpose;
  process.stderr.write("Usage: node scripts/setup.mjs [--for test|demo|run]\n");
  process.exit(2);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`this is Node ${process.versions.node}; Orrery needs Node 20.19 or newer`);
}

const purpose = purposeOf(process.argv.slice(2));
try {
  checkNode();
  const done = [await ensurePackages(), await ensureBuild(), await ensureFfmpeg()];
  if (purpose === "test") done.push(await ensureChromium());
  if (done.includes(true)) say("ready");
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
