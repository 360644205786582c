/**
 * What a person looks at before a video is passed on: a page with frames spread over the video and one or more of every face,
 * as they are after hiding, boxes drawn; a line for every face over time; and the whole report as JSON. The pictures show
 * nothing that the result does not.
 */
import { basename, dirname, extname, join } from "node:path";
import { escapeHtml } from "../../html.ts";
import { writeFileAtomic } from "../../partial-file.ts";
import { encodePng, resample, type Picture } from "../../video/index.ts";
import type { FacePlan, FaceReport, TrackSummary } from "./plan.ts";
import type { BoxOrigin } from "./tracks.ts";
import type { HiddenVideo } from "./video.ts";
import { widen } from "./hide.ts";

const colours: Readonly<Record<BoxOrigin, readonly [number, number, number]>> = { seen: [64, 220, 110], filled: [255, 176, 32], held: [90, 160, 255] };
const css = (origin: BoxOrigin): string => `rgb(${colours[origin].join(" ")})`;

/** Pictures spread over the video, and of single faces, at most. */
const [mostSpread, mostOfFaces] = [24, 24];
const thumbnailWidth = 400;

interface Shot {
  frame: number;
  picture: Picture;
  /** What the picture is there for. */
  why: string;
}

export interface FaceReview {
  /** Takes a frame as it will be written, if it is one to show. */
  add(frame: Picture, index: number, plan: FacePlan): void;
  /** Writes NAME.faces.json and NAME.faces.html beside the video. */
  write(out: string, source: string, hidden: HiddenVideo): Promise<{ data: string; page: string }>;
}

export function faceReview(): FaceReview {
  const shots: Shot[] = [];
  let wanted: Map<number, string> | undefined;
  return {
    add(frame, index, plan) {
      wanted ??= chooseFrames(plan.report);
      const why = wanted.get(index);
      if (why !== undefined) shots.push({ frame: index, picture: outlined(frame, index, plan), why });
    },
    async write(out, source, hidden) {
      const stem = join(dirname(out), basename(out, extname(out)));
      const [data, page] = [`${stem}.faces.json`, `${stem}.faces.html`];
      await writeFileAtomic(data, `${JSON.stringify({ source: basename(source), output: basename(out), sound: hidden.sound, ...hidden.report })}\n`);
      await writeFileAtomic(page, reviewPage(basename(source), basename(out), hidden, shots));
      return { data, page };
    },
  };
}

/** Frames over the whole video, and of each hidden face the middle of its track, the longest-lived first. */
function chooseFrames({ frames, tracks }: FaceReport): Map<number, string> {
  const wanted = new Map<number, string>();
  const add = (frame: number, why: string): void => void wanted.set(frame, wanted.has(frame) ? `${wanted.get(frame)!}, ${why}` : why);
  const spread = Math.min(mostSpread, frames);
  for (let i = 0; i < spread; i++) add(spread === 1 ? 0 : Math.round((i * (frames - 1)) / (spread - 1)), "spread");
  const long = tracks.filter((track) => track.hidden).sort((a, b) => b.seen - a.seen).slice(0, mostOfFaces);
  for (const track of long) add(Math.floor((track.firstFrame + track.lastFrame) / 2), `face ${track.track}`);
  return wanted;
}

function outlined(frame: Picture, index: number, plan: FacePlan): Picture {
  const width = Math.min(thumbnailWidth, frame.width);
  const height = Math.max(1, Math.round((frame.height * width) / frame.width));
  const picture = resample(frame, width, height);
  const by = width / frame.width;
  for (const { box, origin } of plan.boxes[index]!) outline(picture, widen(box, plan.report.margin).map((v) => Math.round(v * by)) as [number, number, number, number], colours[origin]);
  return picture;
}

function outline({ pixels, width, height }: Picture, [left, top, right, bottom]: [number, number, number, number], colour: readonly number[]): void {
  const put = (x: number, y: number): void => {
    if (x >= 0 && y >= 0 && x < width && y < height) pixels.set(colour, (y * width + x) * 3);
  };
  for (let x = left; x <= right; x++) for (const y of [top, bottom]) put(x, y);
  for (let y = top; y <= bottom; y++) for (const x of [left, right]) put(x, y);
}

const time = (frame: number, fps: number): string => {
  const seconds = frame / fps;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
};

function reviewPage(source: string, out: string, { report, sound }: HiddenVideo, shots: readonly Shot[]): string {
  const hidden = report.tracks.filter((track) => track.hidden);
  const figures = shots.map(({ frame, picture, why }) => {
    const image = Buffer.from(encodePng(picture)).toString("base64");
    return `<figure><img alt="frame ${frame}" src="data:image/png;base64,${image}"><figcaption>${time(frame, report.fps)} · frame ${frame}${why === "spread" ? "" : ` · ${escapeHtml(why.replace("spread, ", ""))}`}</figcaption></figure>`;
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Faces hidden in ${escapeHtml(out)}</title>
<style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:1300px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:right;font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:.8rem}figure{margin:0}img{width:100%;display:block;border-radius:4px}figcaption{font-size:.8rem;opacity:.75}
svg{width:100%;height:auto;background:color-mix(in srgb,currentColor 6%,transparent);border-radius:4px}.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .3em 0 1em}
</style>
<h1>Faces hidden in ${escapeHtml(out)}</h1>
<p>Made from ${escapeHtml(source)}: ${report.frames} frames of ${report.width} × ${report.height} at ${+report.fps.toFixed(3)} fps; sound ${sound}. <b>${hidden.length}</b> faces were hidden (${report.method}, margin ${report.margin}) in <b>${report.framesHidden}</b> frames; in ${report.framesOnlyFilled} of them the detector saw none or was not asked, and the track was filled. It looked at ${report.framesLookedAt} frames. ${report.tracks.length - hidden.length} faces below ${report.minSize} pixels were left.</p>
<p>Detector: ${escapeHtml(report.detector.model)}, threshold ${report.detector.threshold}, weights ${report.detector.version.slice(0, 16)}…. No detector finds every face: look for any that shows below.</p>
<p>Boxes:<span class="key" style="background:${css("seen")}"></span>seen by the detector<span class="key" style="background:${css("filled")}"></span>between two that were seen<span class="key" style="background:${css("held")}"></span>before the first or after the last</p>
${timeline(report)}
<h2>Frames</h2>
<div class="sheet">
${figures.join("\n")}
</div>
<h2>Faces</h2>
<table><tr><th>face</th><th>from</th><th>to</th><th>seen</th><th>filled</th><th>held</th><th>pixels</th><th>score</th><th></th></tr>
${report.tracks.slice(0, 1000).map((track) => row(track, report.fps)).join("\n")}
</table>
${report.tracks.length > 1000 ? `<p>and ${report.tracks.length - 1000} more, in the JSON file.</p>` : ""}
</html>
`;
}

const row = ({ track, firstFrame, lastFrame, seen, filled, held, smallest, largest, score, hidden }: TrackSummary, fps: number): string =>
  `<tr><td>${track}</td><td>${time(firstFrame, fps)}</td><td>${time(lastFrame, fps)}</td><td>${seen}</td><td>${filled}</td><td>${held}</td><td>${smallest}–${largest}</td><td>${score.toFixed(2)}</td><td>${hidden ? "" : "left, too small"}</td></tr>`;

/** A line for each face over the video's length, coloured by how its boxes came about. */
function timeline({ frames, tracks, boxes }: FaceReport): string {
  const shown = tracks.filter((track) => track.hidden).slice(0, 60);
  if (shown.length === 0) return "";
  const [width, line] = [1200, 10];
  const placeOf = new Map(shown.map(({ track }, i) => [track, i]));
  // Runs of one kind become one bar.
  const runs = new Map<number, { from: number; to: number; origin: BoxOrigin }[]>();
  for (const [frame, list] of Object.entries(boxes).map(([key, value]) => [Number(key), value] as const))
    for (const [track, , , , , origin] of list) {
      if (!placeOf.has(track)) continue;
      const mine = runs.get(track) ?? [];
      const last = mine.at(-1);
      if (last?.to === frame - 1 && last.origin === origin) last.to = frame;
      else mine.push({ from: frame, to: frame, origin });
      runs.set(track, mine);
    }
  const x = (frame: number): string => ((frame / frames) * width).toFixed(1);
  const bars = [...runs].flatMap(([track, list]) => list.map(({ from, to, origin }) => `<rect x="${x(from)}" y="${placeOf.get(track)! * line + 2}" width="${Math.max(1, ((to + 1 - from) / frames) * width).toFixed(1)}" height="${line - 3}" fill="${css(origin)}"/>`));
  return `<h2>Over time</h2>\n<svg viewBox="0 0 ${width} ${shown.length * line + 2}" role="img" aria-label="when each face was hidden">${bars.join("")}</svg>`;
}
