/** `orrery curate`: raw video to a training set. */
import { availableParallelism } from "node:os";
import { defineCommand } from "../command.ts";
import { integer, some, text, toggle } from "../options.ts";

export const command = defineCommand({
  name: "curate",
  summary: "turn raw video into a training set: shots, scores, decisions, clips, report",
  description:
    "Each source is decoded once and measured (shots, camera and object motion, technical quality, how it looks); clips are cut at the shots, judged by rules, and the survivors are encoded alike into cosmos-curator's layout (clips/, metas/v0/, processed_videos/, summary.json) with a manifest of every candidate and an HTML report. Measures are kept in OUT/work, so running again with other settings decides anew in seconds and encodes only what is new; a run that was stopped goes on where it was. Nothing here needs a model: captions are measured descriptions that say so; topics and aesthetics are not judged. Beside it: orrery curate plan, status, decide, report and export (a source of such a name is given as ./plan).",
  examples: [
    { type: "orrery curate footage/ -o dataset", does: "curate a folder with the standard settings" },
    { type: "orrery curate footage/ -o dataset --score-only", does: "measure, decide and report; encode nothing" },
    { type: "orrery curate footage/ -o dataset quality.cut=0.3 motion.mostJitter=0.1", does: "decide again, more strictly; nothing is measured twice" },
    { type: "orrery curate list.jsonl more/*.mp4 -o dataset --config curate.yaml", does: "sources from a manifest and files, settings from a file" },
  ],
  args: { inputs: some("video files, folders, or manifests (.jsonl, .csv, .txt)", "INPUT") },
  options: {
    out: text({ short: "o", required: true, metavar: "DATASET", help: "folder of the dataset; made when it is not there" }),
    config: text({ metavar: "FILE.yaml", help: "settings; key=value words after it win" }),
    scoreOnly: toggle({ help: "measure, decide and report, but encode nothing" }),
    workers: integer({ min: 1, max: 256, help: "sources measured and clips encoded at the same time (default: one per core)" }),
  },
  overrides: true,
  async run({ args: { inputs }, options, overrides, output, progress, signal }) {
    const [{ curate, curateSchema }, { resolveConfig }] = await Promise.all([import("../../curator/index.ts"), import("../overrides.ts")]);
    const settings = await resolveConfig(curateSchema, { file: options.config, overrides });
    const summary = await curate(inputs, options.out, { settings, workers: options.workers ?? availableParallelism(), scoreOnly: options.scoreOnly, progress, signal });
    output.text(`${summary.num_clips_kept} of ${summary.num_clips} clips stay (${summary.kept_clip_duration_s.toFixed(1)} of ${summary.total_video_duration_s.toFixed(1)} s), from ${summary.num_processed_videos} of ${summary.num_input_videos} files`);
    output.table(Object.entries(summary.dropped).filter(([, count]) => count > 0).map(([reason, count]) => [`  dropped, ${reason}`, count]));
    for (const { path, reason } of summary.set_aside) output.text(`  set aside: ${path}: ${reason}`);
    output.text(`report: ${options.out}/report.html`);
    output.data(summary);
  },
});
