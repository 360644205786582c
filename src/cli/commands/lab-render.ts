/** `orrery lab render`: a folder of laboratory clips in the curator's layout. */
import { defineCommand } from "../command.ts";
import { choice, integer, list, number, shared, size, text, toggle } from "../options.ts";
import { labScenarios } from "../lab.ts";

export const command = defineCommand({
  name: "lab render",
  summary: "render physics videos with everything known about them",
  description:
    "Simulates rigid bodies and films them. Writes DIR/clips/<uuid>.mp4, DIR/metas/v0/<uuid>.json with captions (the curator's layout) and DIR/truth/<uuid>.json: objects, tracks, masks, contacts, events, actions, cameras, frame by frame. Clip number N of a scenario and split is the same on every machine. Clips that are there already are kept, so the same command continues after a stop. Splits never share a clip.",
  examples: [
    { type: "orrery lab render --count 1000 --out data/lab", does: "a thousand clips of 17 frames at 64 x 64, all scenarios in turn" },
    { type: "orrery lab render --scenario fall ramp --count 200 --split test --out data/test --preview", does: "a test set of two scenarios, with a page to look at" },
    { type: "orrery lab render --count 20 --size 320x192 --frames 49 --fps 16 --camera any --out data/wide", does: "larger, longer, with a moving camera" },
  ],
  options: {
    out: text({ short: "o", required: true, metavar: "DIR", help: "folder to write to; it may hold clips already" }),
    scenario: list({ metavar: "NAME", help: "scenarios to take in turn (default: all; `orrery lab list` names them)" }),
    count: integer({ min: 1, max: 10_000_000, default: 100, help: "how many clips" }),
    start: integer({ min: 0, max: 500_000_000, default: 0, help: "number of the first clip" }),
    split: choice(["train", "val", "test"], { default: "train", help: "which of the sets that share no clip" }),
    size: size({ min: 16, max: 4096, default: { width: 64, height: 64 }, help: "size of the picture" }),
    frames: integer({ min: 1, max: 3000, default: 17, help: "frames of a clip" }),
    fps: number({ min: 1, max: 240, default: 10, help: "frames per second" }),
    camera: choice(["static", "pan", "zoom", "shake", "orbit", "any"], { default: "static", help: "how the camera moves; any is mostly static" }),
    preview: toggle({ help: "also write preview.png and index.html" }),
    threads: shared.threads,
  },
  async run({ options, output, progress, signal }) {
    const { out, count, start, split, size: picture, frames, fps, camera, threads, preview } = options;
    const { clipKeys, renderLabFolder, writeLabIndex } = await import("../../physics/index.ts");
    const keys = clipKeys(await labScenarios(options.scenario), split, start, count);
    const settings = { ...picture, frames, fps, camera };
    const result = await renderLabFolder(out, keys, { ...settings, threads, progress, signal });
    const { metas, ...told } = result;
    const pages = preview ? await writeLabIndex(out, keys, metas, settings) : undefined;
    output.text(`${out}: ${result.rendered} clips rendered${result.kept > 0 ? `, ${result.kept} were there already` : ""} (${frames} frames of ${picture.width} x ${picture.height} at ${fps} fps, split ${split})`);
    if (pages) output.text(`look at ${pages.page} or ${pages.sheet}`);
    output.data({ ...told, split, start, ...settings, ...pages, uuids: metas.map((meta) => meta.span_uuid) });
  },
});
