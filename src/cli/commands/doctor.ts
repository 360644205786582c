/** `orrery doctor`: what this machine has. Each line is measured here and now; nothing is sent anywhere. */
import { execFile } from "node:child_process";
import { readFile, statfs } from "node:fs/promises";
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import { promisify } from "node:util";
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { text } from "../options.ts";
import { quantity } from "../progress-bar.ts";

interface Finding {
  name: string;
  /** `missing` is a failure, `absent` is something optional. */
  state: "ok" | "absent" | "missing";
  value: string;
  /** What to do about it. */
  hint?: string;
}

export const command = defineCommand({
  name: "doctor",
  summary: "say what this machine has and what is missing",
  description: "Ends with exit status 1 when something is missing that Orrery cannot work without.",
  examples: [
    { type: "orrery doctor", does: "look at this machine" },
    { type: "orrery doctor --dir /data/runs --json", does: "look at the disk that a run will write to, as JSON" },
  ],
  options: {
    dir: text({ default: ".", metavar: "DIR", help: "folder whose disk is looked at" }),
  },
  async run({ options, output }) {
    const findings = (await Promise.all([versions(), programs(), machine(options.dir), devices()])).flat();
    const { good, bad, warn } = output.style;
    const marks = { ok: good("ok"), absent: warn("--"), missing: bad("!!") };
    output.table(findings.map(({ name, state, value, hint }) => [marks[state], name, hint ? `${value}; ${hint}` : value]));
    output.data({ ok: findings.every(({ state }) => state !== "missing"), findings });
    const missing = findings.filter(({ state }) => state === "missing");
    if (missing.length > 0)
      throw new OrreryError("missing_dependency", missing.map(({ name, value, hint }) => `${name}: ${value}${hint ? `; ${hint}` : ""}`).join(". "));
  },
});

async function versions(): Promise<Finding[]> {
  const [own, ort] = await Promise.all([
    readManifest(new URL("../../../package.json", import.meta.url)),
    readManifest(new URL(import.meta.resolve("onnxruntime-node/package.json"))),
  ]);
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const recent = major > 20 || (major === 20 && minor >= 19);
  return [
    { name: "orrery", state: "ok", value: own.version },
    { name: "node", state: recent ? "ok" : "missing", value: process.versions.node, ...(recent ? {} : { hint: "Node 20.19 or newer is needed" }) },
    { name: "system", state: "ok", value: `${platform()} ${release()} ${arch()}` },
    { name: "onnxruntime", state: "ok", value: ort.version },
  ];
}

async function readManifest(url: URL): Promise<{ version: string }> {
  return JSON.parse(await readFile(url, "utf8")) as { version: string };
}

/** ffmpeg and ffprobe: ours to find, never linked. */
async function programs(): Promise<Finding[]> {
  return Promise.all(
    (["ffmpeg", "ffprobe"] as const).map(async (name): Promise<Finding> => {
      const variable = `ORRERY_${name.toUpperCase()}`;
      const path = process.env[variable] || name;
      try {
        const { stdout } = await promisify(execFile)(path, ["-version"], { timeout: 10_000 });
        return { name, state: "ok", value: `${/version (\S+)/.exec(stdout)?.[1] ?? "of unknown version"} (${path})` };
      } catch {
        return { name, state: "missing", value: `${path} cannot be run`, hint: `install ffmpeg or set ${variable} to the program` };
      }
    }),
  );
}

async function machine(dir: string): Promise<Finding[]> {
  const model = cpus()[0]?.model.trim() ?? "unknown";
  const findings: Finding[] = [
    { name: "threads", state: "ok", value: `${availableParallelism()} of ${cpus().length} (${model})` },
    { name: "memory", state: "ok", value: `${quantity(freemem(), "bytes")} free of ${quantity(totalmem(), "bytes")}` },
  ];
  try {
    const { bavail, blocks, bsize } = await statfs(dir);
    findings.push({ name: "disk", state: "ok", value: `${quantity(bavail * bsize, "bytes")} free of ${quantity(blocks * bsize, "bytes")} (${dir})` });
  } catch (error) {
    throw new OrreryError("file_not_found", `no such folder: ${dir}; check --dir`, { cause: error });
  }
  return findings;
}

/** Which devices the installed ONNX Runtime was built with. Whether a GPU answers is known only when a session is made. */
async function devices(): Promise<Finding[]> {
  const { listSupportedBackends } = await import("onnxruntime-node");
  return listSupportedBackends().map(({ name, bundled }): Finding => {
    if (name === "cpu") return { name: "device cpu", state: "ok", value: "built in" };
    if (bundled) return { name: `device ${name}`, state: "ok", value: "built in; needs a GPU and its driver (not tried)" };
    return { name: `device ${name}`, state: "absent", value: "optional, not installed" };
  });
}
