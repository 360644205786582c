/**
 * The curation to look at: the funnel, where the thresholds lie among the scores, samples of what each rule dropped with the
 * footage playing, duplicates side by side, and what could not be read. Kept clips play from the dataset, dropped ones from
 * their sources, so the page stands in the dataset's folder and the sources where they were.
 */
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import { escapeHtml, page, table } from "../html.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { dropReasons, type Decision, type Decisions, type DropReason } from "./decide.ts";
import { paths } from "./layout.ts";
import type { CurateSettings } from "./settings.ts";
import type { Summary } from "./summary.ts";

/** Samples shown of each reason, and pairs of duplicates. */
const samples = 6;
const pairsShown = 24;
const bins = 24;

export async function writeReport(out: string, decisions: Decisions, summary: Summary, settings: CurateSettings): Promise<void> {
  const { clips } = decisions;
  const byId = new Map(clips.map((one) => [one.clip.id, one]));
  const header = `<h1>${summary.num_clips_kept} clips of ${summary.num_input_videos} videos</h1><p class="lead">${minutes(summary.kept_clip_duration_s)} of ${minutes(summary.total_video_duration_s)} stay${summary.score_only ? "; nothing was encoded (score only)" : ""}. Captions are measured descriptions (<code>orrery-measured-v1</code>), not a model's.</p>`;
  const body = [
    section("The funnel", funnel(summary)),
    section("Scores and thresholds", [
      histogram("Quality score", clips.map((c) => c.clip.quality.score), [0, 1], undefined, `The lowest ${(100 * settings.quality.cut).toFixed(0)} % of each resolution class go.`),
      histogram("Camera jitter, widths a second", clips.map((c) => c.clip.motion.jitter), [0, 0.4], settings.motion.mostJitter),
      histogram("Fastest second of things, widths a second", clips.map((c) => c.clip.motion.objectPeak), [0, 0.5], settings.motion.stillObjects),
    ].join("")),
    section("Camera", shares(summary.camera_tags, summary.num_clips)),
    section("What stays", gallery(clips.filter(({ keep }) => keep), out, summary.score_only)),
    ...(Object.keys(dropReasons) as DropReason[]).map((reason) => {
      const dropped = clips.filter((one) => one.reason === reason);
      return reason === "duplicate" || dropped.length === 0 ? "" : section(`Dropped: ${dropReasons[reason]}`, gallery(dropped, out, true), dropped.length);
    }),
    decisions.duplicates.length === 0 ? "" : section("Duplicates", duplicates(decisions, byId, out), decisions.duplicates.length),
    summary.set_aside.length === 0 ? "" : section("Set aside", table(["file", "reason"], summary.set_aside.map(({ path, reason }) => [path, reason])), summary.set_aside.length),
    section("What a model would add", `<p>Without one, captions say how a clip was filmed and not what is in it; aesthetics, topics and drawn or synthetic footage are not judged.</p>`),
  ].join("\n");
  await writeFileAtomic(paths(out).report, page("Orrery: curation", header, `<style>${style}</style>${body}`));
}

const section = (title: string, body: string, count?: number): string => `<section><h2>${escapeHtml(title)}${count === undefined ? "" : ` <small>${count}</small>`}</h2>${body}</section>`;

const minutes = (seconds: number): string => (seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`);

function funnel(summary: Summary): string {
  const steps: [string, number][] = [["candidates", summary.num_clips]];
  let left = summary.num_clips;
  for (const [reason, count] of Object.entries(summary.dropped)) if (count > 0) steps.push([`less those where ${dropReasons[reason as DropReason]}`, (left -= count)]);
  const lead = `<p>${summary.num_input_videos} files, ${summary.set_aside.length} set aside; ${summary.num_shots} shots; shots shorter than the least length make no clip.</p>`;
  return lead + steps.map(([name, count]) => bar(name, count, summary.num_clips, String(count))).join("");
}

const bar = (name: string, value: number, most: number, text: string): string =>
  `<div class="bar"><span>${escapeHtml(name)}</span><i style="width:${most > 0 ? ((100 * value) / most).toFixed(1) : 0}%"></i><b>${escapeHtml(text)}</b></div>`;

const shares = (counts: Record<string, number>, total: number): string => Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([name, count]) => bar(name, count, total, `${count} (${((100 * count) / total).toFixed(0)} %)`)).join("");

function histogram(title: string, values: readonly number[], [low, high]: [number, number], threshold: number | undefined, note = ""): string {
  const counts = Array.from({ length: bins }, () => 0);
  for (const v of values) counts[Math.min(bins - 1, Math.max(0, Math.floor((bins * (v - low)) / (high - low))))]!++;
  const most = Math.max(1, ...counts);
  const [width, height] = [480, 110];
  const bars = counts.map((n, i) => `<rect x="${(i * width) / bins + 1}" y="${height - (height * n) / most}" width="${width / bins - 2}" height="${(height * n) / most}"/>`).join("");
  const x = threshold === undefined ? undefined : (width * Math.min(high, threshold) - low) / (high - low);
  const line = x === undefined ? "" : `<line x1="${x}" x2="${x}" y1="0" y2="${height}"/>`;
  return `<figure class="chart"><svg viewBox="0 0 ${width} ${height + 18}" role="img" aria-label="${escapeHtml(title)}">${bars}${line}<text x="0" y="${height + 15}">${low}</text><text x="${width}" y="${height + 15}" text-anchor="end">${high} and above</text></svg><figcaption>${escapeHtml(title)}${threshold === undefined ? "" : `; the line is the threshold, ${threshold}`}. ${escapeHtml(note)}</figcaption></figure>`;
}

/** Spread evenly over the list, so that the first source does not fill it. */
function spread<T>(list: readonly T[], count: number): T[] {
  return list.length <= count ? [...list] : Array.from({ length: count }, (_, k) => list[Math.floor((k * list.length) / count)]!);
}

const gallery = (decisions: readonly Decision[], out: string, fromSource: boolean): string =>
  decisions.length === 0 ? "<p>None.</p>" : `<div class="clips">${spread(decisions, samples).map((one) => player(one, out, fromSource)).join("")}</div>`;

function player({ clip, detail, keep }: Decision, out: string, fromSource: boolean): string {
  const fragment = `#t=${clip.startS.toFixed(2)},${clip.endS.toFixed(2)}`;
  const source = fromSource || !keep ? pathToFileURL(clip.source.path).href + fragment : `clips/${clip.id}.mp4`;
  const name = relative(out, clip.source.path).split("/").at(-1)!;
  return `<figure><video src="${escapeHtml(source)}" preload="metadata" controls muted loop playsinline></video><figcaption><b>${escapeHtml(name)}</b> ${clip.startS.toFixed(1)}-${clip.endS.toFixed(1)} s<br>${escapeHtml(clip.motion.tag)}, quality ${clip.quality.score.toFixed(2)}${detail ? `<br>${escapeHtml(detail)}` : ""}</figcaption></figure>`;
}

function duplicates({ duplicates: pairs }: Decisions, byId: ReadonlyMap<string, Decision>, out: string): string {
  return spread(pairs, pairsShown).map(({ kept, dropped, reason, look, happening, because }) => {
    const [stays, goes] = [byId.get(kept)!, byId.get(dropped)!];
    return `<div class="pair"><p>${reason === "copy" ? "The same footage" : "Contained in the other"}: looks ${look.toFixed(3)}, happenings ${happening.toFixed(3)}; the left one stays for its ${because}.</p><div class="clips">${player(stays, out, true)}${player(goes, out, true)}</div></div>`;
  }).join("");
}

const style = `
.bar { display: grid; grid-template-columns: minmax(9rem, 19rem) 1fr 6rem; gap: .7rem; align-items: center; font-size: .92rem; margin: .25rem 0 }
.bar i { height: .9rem; background: var(--accent); border-radius: 3px; min-width: 2px } .bar b { font-variant-numeric: tabular-nums; font-weight: 500 }
.chart rect { fill: var(--accent) } .chart line { stroke: var(--s2); stroke-width: 2; stroke-dasharray: 4 3 }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem } .clips figure { margin: 0 } .clips video { width: 100%; image-rendering: auto }
@media (max-width: 40rem) { .bar { grid-template-columns: 1fr 3rem } .bar span { grid-column: 1 / -1 } }
`.trim();
