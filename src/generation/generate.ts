/**
 * The one door from a request to a file for a user. Read it from top to bottom: it is the whole way, and each step needs what
 * the one before it made.
 *
 *     request ─► plan ─► words allowed ─► given frames ─► world model ─► frames allowed ─► marks, mp4, record
 *
 * Anything that is not allowed, or could not be checked, ends here with `blocked`, and leaves its records and no video.
 */
import { OrreryError } from "../errors.ts";
import type { Guards, OpenedUpsampler } from "../guardrail/index.ts";
import { silent, throwIfCancelled, type Progress } from "../progress.ts";
import type { Clip } from "../video/index.ts";
import { clearText, clearVideo, newTrail } from "./clearance.ts";
import { readGiven } from "./given.ts";
import type { Keys } from "./marks.ts";
import type { WorldModel } from "./model.ts";
import { planRequest, type Machine, type Plan } from "./plan.ts";
import { guardedGlimpse, type PreviewOptions } from "./previews.ts";
import { publish, publishRefusal, type Account, type GenerationRecord, type Place } from "./publish.ts";
import type { GenerationRequest } from "./request.ts";
import { rollOut } from "./roll-out.ts";

/** What stands at the door: a model, the guards, the keys that sign and mark, and where the arithmetic runs. */
export interface Door {
  model: WorldModel;
  guards: Guards;
  keys: Keys;
  machine: Machine;
  upsampler?: OpenedUpsampler | undefined;
}

export interface GenerateOptions {
  /** Looks at the plan before anything is made of it; throws what should stop it. */
  onPlan?: ((plan: Plan) => void | Promise<void>) | undefined;
  previews?: PreviewOptions | undefined;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

export interface Generated {
  record: GenerationRecord;
  /** The frames of the file, as they were before compression: guarded and marked. */
  clip: Clip;
  /** Words of the prompt that the model never met. */
  unknownWords: string[];
}

/**
 * Makes a video of a request.
 * @throws `blocked` when a guard did not allow it (the records then say so, and there is no video), `bad_argument` for what
 * the model cannot do, `bad_video` for an input that cannot be used, `cancelled`, and what writing files may throw.
 */
export async function generateVideo(request: GenerationRequest, door: Door, place: Place, options: GenerateOptions = {}): Promise<Generated> {
  const { model, guards, keys, machine, upsampler } = door;
  const { progress = silent, signal } = options;
  const clock = stopwatch();
  const plan = await planRequest(request, model, machine);
  await options.onPlan?.(plan);
  const account: Account = { plan, trail: newTrail(), previews: { shown: 0, withheld: 0 }, seconds: clock.seconds, keys };
  try {
    progress({ stage: "checking the request", done: 0 });
    const text = await clock("text", () => clearText(plan, guards, account.trail, { upsampler, signal }));
    const given = await clock("input", () => readGiven(plan, model.generation, signal));
    const glimpse = guardedGlimpse(options.previews, ({ clip }) => clearVideo(clip, guards, newTrail(), { signal }), account.previews);
    const drawn = await clock("model", () => rollOut(model, plan, text, given, { progress, signal, glimpse }));
    progress({ stage: "checking the video", done: 0 });
    const video = await clock("video", () => clearVideo(drawn, guards, account.trail, { signal }));
    throwIfCancelled(signal, "the generation");
    progress({ stage: "marking and writing the video", done: 0 });
    const published = await publish(video, place, account, signal);
    return { ...published, unknownWords: (text.prompt !== undefined && model.unknownWords?.(text.prompt)) || [] };
  } catch (error) {
    // Only what a guard has seen can be recorded; a block by something else ends without a record, and without a video.
    if (error instanceof OrreryError && error.code === "blocked" && account.trail.verdicts.length > 0) await publishRefusal(place, account, error.message);
    throw error;
  }
}

interface Stopwatch {
  <T>(stage: string, work: () => Promise<T>): Promise<T>;
  seconds: Record<string, number>;
}

function stopwatch(): Stopwatch {
  const seconds: Record<string, number> = {};
  const timed = async <T>(stage: string, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    try {
      return await work();
    } finally {
      seconds[stage] = Math.round(performance.now() - begun) / 1000;
    }
  };
  return Object.assign(timed, { seconds });
}
