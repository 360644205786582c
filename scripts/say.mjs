/** What the setup scripts share: saying a step on stderr, running a program, and one setup at a time. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Stderr, because the command that called the setup may own stdout. */
export function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

/** A step that cannot go on; the message says what to do. */
export class SetupError extends Error {}

/** Runs a program in the repository's root with its output on stderr; gives the exit status. */
export function runVisibly(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(signal ? 130 : (status ?? 1)));
  });
}

export function succeeds(program, args) {
  return spawnSync(program, args, { stdio: "ignore", timeout: 20_000 }).status === 0;
}

/** Two terminals may start at once; the second waits, then finds that nothing is left to do. */
export async function alone(work) {
  const lock = join(root, ".cache", "setup.lock");
  const owner = join(lock, "pid");
  mkdirSync(join(root, ".cache"), { recursive: true });
  for (let waited = 0; ; waited++) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (waited === 0) say("waiting for another setup of this folder");
    // A lock whose owner is gone, or was killed before it wrote its number, is nobody's.
    if (waited > 4 && !isAlive(readPid(owner))) rmSync(lock, { recursive: true, force: true });
    else await sleep(200);
  }
  try {
    writeFileSync(owner, String(process.pid));
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function readPid(path) {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return 0;
  }
}

function isAlive(pid) {
  if (!pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
