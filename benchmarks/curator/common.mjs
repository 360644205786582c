/** What the curator's benchmarks share: the clips of a folder, what is known of them (`data/clips.json`), and time of the processor. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { smallSize } from "../../dist/curator/small.js";
import { probeVideo, readAnalysis } from "../../dist/video/index.js";

/** By file: `cuts` (first frames of new shots, none for one continuous shot), `scene` (files of one name show alike things), `damaged`. */
const known = JSON.parse(readFileSync(new URL("./data/clips.json", import.meta.url), "utf8"));
export const { groups, falseGroups } = known;

/** The known clips that lie in `folder` and whose name holds one of `only` (separated by commas). Says which are missing. */
export function clipsIn(folder, only = "") {
  if (!folder) throw new Error("give the folder that holds the clips");
  const wanted = Object.entries(known.clips).map(([name, facts]) => ({ name, path: join(folder, name), ...facts })).filter(({ name }) => only.split(",").some((part) => name.includes(part)));
  const there = wanted.filter(({ path }) => existsSync(path));
  if (there.length < wanted.length) console.log(`not in the folder: ${wanted.filter((one) => !there.includes(one)).map(({ name }) => name).join(", ")}`);
  if (there.length === 0) throw new Error(`none of the known clips is in ${folder}`);
  return there;
}

/** Up to `most` small pictures of a file. */
export async function smallFrames(path, most) {
  const frames = [];
  for await (const { small } of readAnalysis(await probeVideo(path), { small: smallSize })) {
    frames.push(small);
    if (frames.length >= most) break;
  }
  return frames;
}

/** Seconds of the processor that this process and its finished children took (children: Linux only, in hundredths). */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
  return (user + system) / 1e6 + (Number(fields[13]) + Number(fields[14])) / 100;
}
