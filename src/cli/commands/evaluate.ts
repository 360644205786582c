/** `orrery evaluate`: how well videos, or a world model, agree with laboratory clips whose truth is known. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromSystemError, OrreryError } from "../../errors.ts";
import type { Contestant, Trial } from "../../evaluation/index.ts";
import type { Clip } from "../../video/index.ts";
import { defineCommand } from "../command.ts";
import { withDoor } from "../door.ts";
import { labScenarios } from "../lab.ts";
import { integer, number, shared, size, text, toggle } from "../options.ts";

export const command = defineCommand({
  name: "evaluate",
  summary: "measure how well a world model's videos obey the laboratory's physics",
  description:
    "Continues held-out laboratory clips from their first frames, and compares with what truly happens: PSNR, SSIM, where objects are and how they overlap, whether hidden ones come back, whether energy appears from nothing, what is hallucinated. Two baselines (repeat the last frame; go on as before) and the truth itself are judged beside it. Writes OUT/report.json and OUT/report.html with curves, tables and side-by-side videos, the failures first.",
  examples: [
    { type: "orrery evaluate --model models/nano --data lab:all --count 50 --out report", does: "a model on 50 clips of all scenarios" },
    { type: "orrery evaluate --model models/nano --given 9 --prompts --words --out report", does: "given nine frames and the caption; and what it makes of captions alone" },
    { type: "orrery evaluate --generated results --data data/test --out report", does: "videos made elsewhere (<uuid>.mp4) against a rendered folder" },
    { type: "orrery evaluate --data lab:occlusion --count 20 --out report", does: "only the baselines, and how well the detector does on true clips" },
  ],
  options: {
    data: text({ metavar: "WHERE", default: "lab:all", help: "lab:SCENARIO (or lab:all; test split, made on the spot), or a folder written by `orrery lab render`" }),
    out: text({ short: "o", required: true, metavar: "DIR", help: "folder for the report" }),
    model: text({ short: "m", metavar: "DIR", help: "a world model that continues the clips, behind the same guards as `orrery generate`" }),
    generated: text({ metavar: "DIR", help: "a folder of videos made elsewhere: <uuid>.mp4, given frames included" }),
    count: integer({ min: 1, max: 100_000, default: 44, help: "how many clips" }),
    given: integer({ min: 1, max: 1000, default: 5, help: "frames that are given" }),
    size: size({ min: 16, max: 4096, default: { width: 64, height: 64 }, help: "picture, for lab:" }),
    frames: integer({ min: 2, max: 3000, default: 17, help: "frames of a clip, for lab:" }),
    fps: number({ min: 1, max: 240, default: 10, help: "frames per second, for lab:" }),
    prompts: toggle({ help: "give the model each clip's caption as its prompt" }),
    words: toggle({ help: "also let the model make videos of the captions alone, and judge whether they show what is said" }),
    videos: toggle({ default: true, help: "write no side-by-side videos" }),
    policy: text({ metavar: "FILE", help: "guard policy for --model (default: the standard one)" }),
    seed: shared.seed,
    device: shared.device,
    threads: shared.threads,
  },
  async run({ options, output, progress, signal }) {
    const { data, out, model, generated, count, given, frames, fps, size: picture, videos } = options;
    const { evaluateLab, evaluateWords, folderTrials, goOn, labTrials, madeVideo, repeatLast, reportPage } = await import("../../evaluation/index.ts");
    const { writeFileAtomic } = await import("../../partial-file.ts");
    const scenario = /^lab:(.*)$/.exec(data)?.[1];
    const trials = scenario === undefined ? await folderTrials(data, count, signal) : await labTrials(await labScenarios(scenario === "all" ? [] : [scenario]), count, { ...picture, frames, fps });
    await mkdir(out, { recursive: true }).catch((error: unknown) => {
      throw fromSystemError(error, out);
    });
    const baselines: Contestant[] = [
      { name: "repeat last frame", continue: (clip, trial) => repeatLast(clip, trial.clip.frameCount) },
      { name: "go on as before", continue: (clip, trial) => goOn(clip, trial.clip.frameCount) },
      { name: "truth", continue: (_, trial) => trial.clip },
    ];
    const made: Contestant[] = generated === undefined ? [] : [{ name: "generated", continue: (_, trial) => madeVideo(generated, trial, signal) }];
    if (options.words && model === undefined) throw new OrreryError("bad_argument", "--words is for a --model; name one that reads text");
    const evaluate = async (contestants: readonly Contestant[], ofWords?: (trial: Trial) => Promise<Clip>): Promise<void> => {
      const continued = await evaluateLab(trials, contestants, { given, progress, signal, ...(videos ? { videos: join(out, "videos") } : {}) });
      const report = ofWords ? { ...continued, words: await evaluateWords(trials, ofWords, { progress, signal }) } : continued;
      if (generated !== undefined && !report.contestants.some(({ name }) => name === "generated")) throw new OrreryError("file_not_found", `${generated} holds no video of these ${trials.length} clips; expected <uuid>.mp4, such as ${trials[0]!.id}.mp4`);
      await writeFileAtomic(join(out, "report.json"), `${JSON.stringify(report, null, 1)}\n`);
      await writeFileAtomic(join(out, "report.html"), reportPage(report, videos));
      const shown = (value: number | undefined, digits: number) => (value === undefined ? "-" : value.toFixed(digits));
      output.table([
        ["", "clips", "PSNR", "SSIM", "IoU", "position", "presence", "permanence", "hallucination"],
        ...report.contestants.map(({ name, overall: o }) => [name, o.clips, shown(o.psnr, 2), shown(o.ssim, 3), shown(o.iou, 3), shown(o.position, 3), shown(o.presence, 3), shown(o.permanence, 2), shown(o.hallucination, 3)]),
      ]);
      if (report.words)
        output.table([
          ["of words alone", "clips", "objects there", "move as said", "all there", "all move as said"],
          ...report.words.map(({ name, figures: f }) => [name, f.clips, ...[f.present, f.moves, f.allPresent, f.allMove].map((v) => `${(100 * v).toFixed(0)} %`)]),
        ]);
      output.text(`look at ${join(out, "report.html")}`);
      output.data({ out, given, trials: trials.length, contestants: report.contestants.map(({ name, overall, scenarios }) => ({ name, overall, scenarios })), ...(report.words ? { words: report.words.map(({ name, figures }) => ({ name, figures })) } : {}) });
    };
    if (model === undefined) return evaluate([...made, ...baselines]);
    const [{ besides, generateVideo, parseRequest }, { writeClip }] = await Promise.all([import("../../generation/index.ts"), import("../../video/index.ts")]);
    const scratch = await mkdtemp(join(tmpdir(), "orrery-evaluate-"));
    try {
      await mkdir(join(out, "generated"), { recursive: true });
      if (options.words) await mkdir(join(out, "words"), { recursive: true });
      await withDoor({ model, policy: options.policy, device: options.device, threads: options.threads, hasWords: options.prompts || options.words, progress }, (door) => {
        const ofWords = async ({ id, clip, truth }: Trial): Promise<Clip> =>
          (await generateVideo(parseRequest({ prompt: truth.caption, num_frames: clip.frameCount, fps: clip.fps, size: `${clip.width}x${clip.height}`, seed: options.seed }), door, besides(join(out, "words", `${id}.mp4`)), { signal })).clip;
        return evaluate([
          {
            name: "model",
            async continue(clip, trial) {
              const begin = join(scratch, `${trial.id}.mp4`);
              await writeClip(begin, clip, { crf: 4, signal });
              const request = parseRequest({ video: begin, num_frames: trial.clip.frameCount, fps: clip.fps, size: `${clip.width}x${clip.height}`, seed: options.seed, ...(options.prompts ? { prompt: trial.truth.captionShort } : {}) });
              return (await generateVideo(request, door, besides(join(out, "generated", `${trial.id}.mp4`)), { signal })).clip;
            },
          },
          ...made,
          ...baselines,
        ], options.words ? ofWords : undefined);
      });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  },
});
