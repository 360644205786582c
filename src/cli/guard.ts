/** What the guard commands share: what can be checked, how it is read, and the guards that check it. */
import { OrreryError } from "../errors.ts";
import type { Policy, Subject, Verdicts } from "../guardrail/index.ts";
import type { Progress } from "../progress.ts";
import { number, text } from "./options.ts";

export const subjectOptions = {
  prompt: text({ help: "a prompt to check" }),
  negativePrompt: text({ help: "a negative prompt to check" }),
  video: text({ metavar: "FILE", help: "a video to check, frame by frame as the policy says" }),
  fps: number({ min: 0.1, max: 240, help: "frames per second to take of the video (default: all of its frames, or as many as the policy's guards sample)" }),
  policy: text({ metavar: "FILE", help: "the guard policy (default: the standard one; see orrery guard policy)" }),
};

interface Given {
  prompt: string | undefined;
  negativePrompt: string | undefined;
  video: string | undefined;
  fps: number | undefined;
  policy: string | undefined;
}

/** A video is checked in memory; more than this is refused with advice, not swapped. */
const maxVideoBytes = 3 * 2 ** 30;

/** Checks everything that was given, each at its stage, in the order of a generation. */
export async function checkGiven(given: Given, { progress, signal }: { progress: Progress; signal: AbortSignal }): Promise<{ verdicts: Verdicts[]; texts: Partial<Record<Subject["stage"], string>> }> {
  const { prompt, negativePrompt, video } = given;
  const texts = { ...(prompt === undefined ? {} : { prompt }), ...(negativePrompt === undefined ? {} : { "negative-prompt": negativePrompt }) };
  const stages = [...(Object.keys(texts) as (keyof typeof texts)[]), ...(video === undefined ? [] : (["video"] as const))];
  if (stages.length === 0) throw new OrreryError("bad_argument", "nothing to check was given; give --prompt TEXT, --negative-prompt TEXT or --video FILE");
  const [{ openGuards }, { readPolicy }] = await Promise.all([import("../guardrail/open.ts"), import("../guardrail/policy.ts")]);
  const policy = await readPolicy(given.policy);
  const guards = await openGuards(policy, { stages });
  try {
    const verdicts: Verdicts[] = [];
    for (const stage of stages) {
      progress({ stage: `checking the ${stage.replace("-", " ")}`, done: verdicts.length, total: stages.length });
      verdicts.push(await guards.check(stage === "video" ? { stage, clip: await readVideo(video!, given.fps, policy, signal) } : { stage, text: texts[stage]! }, { signal }));
    }
    return { verdicts, texts };
  } finally {
    await guards.close();
  }
}

async function readVideo(path: string, fps: number | undefined, policy: Policy, signal: AbortSignal): Promise<Extract<Subject, { stage: "video" }>["clip"]> {
  const { probeVideo, readClip } = await import("../video/index.ts");
  const info = await probeVideo(path, { signal });
  // Guards that all sample need no more frames than the one that samples most.
  const rates = policy.guards.filter((g) => g.stages.includes("video")).map((g) => g.frames.sampleFps);
  const sampled = rates.length > 0 && rates.every((r) => r !== undefined) ? Math.max(...rates) : undefined;
  const rate = fps ?? (sampled !== undefined && sampled < info.fps ? sampled : undefined);
  const most = Math.floor(maxVideoBytes / (info.width * info.height * 3));
  const tooLarge = (): OrreryError => new OrreryError("bad_argument", `${path} has more frames than the ${most} of ${info.width} x ${info.height} that are checked at once; give a lower --fps`);
  if ((rate === undefined ? (info.frameCount ?? 0) : info.durationS * rate) > most) throw tooLarge();
  let warning: string | undefined;
  // What a header says of its length need not be so: one frame more than may be is asked for, and having it is too many.
  const clip = await readClip(path, { signal, info, ...(rate === undefined ? {} : { fps: rate }), maxFrames: most + 1, onWarning: ({ message }) => (warning ??= message) });
  if (clip.frameCount > most) throw tooLarge();
  if (warning !== undefined) throw new OrreryError("bad_video", `${path} cannot be checked as a whole: ${warning}`);
  return clip;
}

/** Writes a page for people, with its name said. */
export async function writePage(path: string, page: string): Promise<void> {
  const { writeFileAtomic } = await import("../partial-file.ts");
  await writeFileAtomic(path, page);
}
