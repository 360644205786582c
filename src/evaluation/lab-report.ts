/** An evaluation for people: figures, curves over time, and the clips side by side, the worst first. One file, no scripts from elsewhere. */
import { escapeHtml } from "../html.ts";
import type { EvaluationReport, Figures } from "./evaluate.ts";

const columns: readonly { key: keyof Figures; title: string; show: (value: number) => string; better: "more" | "less"; says: string }[] = [
  { key: "psnr", title: "PSNR dB", show: (v) => v.toFixed(2), better: "more", says: "of the mean squared error over the frames after the given ones" },
  { key: "ssim", title: "SSIM", show: (v) => v.toFixed(3), better: "more", says: "mean over frames" },
  { key: "iou", title: "IoU", show: (v) => v.toFixed(3), better: "more", says: "of objects that can be seen, found by their colour" },
  { key: "position", title: "position", show: (v) => `${(100 * v).toFixed(1)} %`, better: "less", says: "distance of found objects from where they should be, of the picture's width" },
  { key: "presence", title: "presence", show: (v) => `${(100 * v).toFixed(1)} %`, better: "more", says: "objects that should be seen and are" },
  { key: "permanence", title: "permanence", show: (v) => `${(100 * v).toFixed(0)} %`, better: "more", says: "objects that come out from behind a wall as they should" },
  { key: "energyGain", title: "energy gain", show: (v) => `${(100 * v).toFixed(0)} %`, better: "less", says: "highest rise of the objects' energy above that at the start, as far as the detector can tell" },
  { key: "sunk", title: "sunk", show: (v) => `${(100 * v).toFixed(1)} %`, better: "less", says: "objects seen inside the floor" },
  { key: "hallucination", title: "no hallucination", show: (v) => v.toFixed(3), better: "more", says: "score of the Cosmos evaluator's check; 0.682 passes" },
];

/** The report as a page. Videos are looked for in `videos/<id>.mp4` beside it. */
export function reportPage(report: EvaluationReport, hasVideos: boolean): string {
  const { contestants, given, trials } = report;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Evaluation on ${trials} laboratory clips</title>
<style>
body { background: #fff; color: #1a1c20; font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #dde; } th:first-child, td:first-child { text-align: left; }
.best { font-weight: 700; } .curves { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } figcaption { font-weight: 600; }
video { image-rendering: pixelated; max-width: 100%; background: #000; } article { border-top: 1px solid #dde; padding: 1rem 0; } small { color: #667; }
</style>
<h1>Evaluation on ${trials} laboratory clips</h1>
<p>${given} frame${given === 1 ? " was" : "s were"} given of each; everything below is about the frames after ${given === 1 ? "it" : "them"}. Objects are found by the laboratory's own detector, which errs sometimes: the row "truth", where there is one, is the true clip judged like the others.</p>
${tableOf(contestants.map(({ name, overall }) => ({ name, figures: overall })))}
<p><small>${columns.map(({ title, says }) => `<b>${title}</b> ${says}`).join("; ")}.</small></p>
${wordsSection(report)}
<h2>Over time</h2>
<div class="curves">${curve(report, "psnr", "PSNR, dB")}${curve(report, "ssim", "SSIM")}${curve(report, "iou", "IoU of objects")}${curve(report, "position", "position error, part of the width")}</div>
<p>${contestants.map(({ name }, i) => `<span style="color:${inks[i % inks.length]}">■</span> ${escapeHtml(name)}`).join(" &nbsp; ")}</p>
<h2>By scenario</h2>
${scenarioTables(report)}
<h2>Clips, where ${escapeHtml(contestants[0]?.name ?? "")} does worst first</h2>
${clipList(report, hasVideos)}
</html>
`;
}

const inks = ["#0b62d6", "#d6550b", "#2a8f3c", "#8b3fc0", "#8a8d94", "#c22f63"];

function tableOf(rows: readonly { name: string; figures: Figures }[]): string {
  const shown = columns.filter(({ key }) => rows.some(({ figures }) => figures[key] !== undefined));
  const best = (key: keyof Figures, better: "more" | "less") => {
    const values = rows.filter(({ name }) => name !== "truth").flatMap(({ figures }) => figures[key] ?? []);
    return better === "more" ? Math.max(...values) : Math.min(...values);
  };
  const cells = ({ name, figures }: (typeof rows)[number]) => shown.map(({ key, show, better }) => {
    const value = figures[key];
    return value === undefined ? "<td>–</td>" : `<td${name !== "truth" && value === best(key, better) ? ' class="best"' : ""}>${show(value)}</td>`;
  });
  return `<table><tr><th></th><th>clips</th>${shown.map(({ title, says }) => `<th title="${escapeHtml(says)}">${title}</th>`).join("")}</tr>
${rows.map((row) => `<tr><td>${escapeHtml(row.name)}</td><td>${row.figures.clips}</td>${cells(row).join("")}</tr>`).join("\n")}</table>`;
}

/** What was made of captions alone. */
function wordsSection({ words }: EvaluationReport): string {
  if (!words) return "";
  const percent = (value: number): string => `<td>${(100 * value).toFixed(0)} %</td>`;
  const [made] = words;
  return `<h2>Of words alone</h2>
<p>The model is given a caption and no frame. An object is there when the detector sees its colour in half of the frames in which it should be seen; it moves as said when it stays, or goes left, right, up, down or to and fro, like the true one. Shapes are not judged.</p>
<table><tr><th></th><th>clips</th><th>objects there</th><th>move as said</th><th>clips with all there</th><th>with all moving as said</th></tr>
${words.map(({ name, figures: f }) => `<tr><td>${escapeHtml(name)}</td><td>${f.clips}</td>${[f.present, f.moves, f.allPresent, f.allMove].map(percent).join("")}</tr>`).join("\n")}</table>
<details><summary>Each caption</summary>${made!.clips.map(({ id, caption, objects }) => `<article><video src="words/${id}.mp4" controls loop muted width="256"></video><p>${escapeHtml(caption)}<br><small>${objects.map((o) => `${escapeHtml(o.name)}: ${o.present ? `${o.made === o.motion ? "✓" : "✗"} ${o.made} (said: ${o.motion})` : "✗ not there"}`).join("; ")}</small></p></article>`).join("\n")}</details>`;
}

function scenarioTables({ contestants }: EvaluationReport): string {
  const names = [...new Set(contestants.flatMap(({ scenarios }) => Object.keys(scenarios)))];
  return names.map((scenario) => `<h3>${escapeHtml(scenario)}</h3>${tableOf(contestants.flatMap(({ name, scenarios }) => (scenarios[scenario] ? [{ name, figures: scenarios[scenario] }] : [])))}`).join("\n");
}

function curve({ contestants }: EvaluationReport, key: "psnr" | "ssim" | "iou" | "position", title: string): string {
  const [width, height, left, bottom] = [340, 190, 44, 22];
  const series = contestants.filter(({ name }) => name !== "truth").map(({ name, curves }) => ({ name, points: curves.flatMap((point) => (point[key] === undefined ? [] : [[point.frame, point[key]] as const])) })).filter(({ points }) => points.length > 0);
  if (series.length === 0) return "";
  const [xs, ys] = [series.flatMap(({ points }) => points.map(([x]) => x)), series.flatMap(({ points }) => points.map(([, y]) => y))];
  const [x0, x1, y1] = [Math.min(...xs), Math.max(...xs), Math.max(...ys)];
  const y0 = key === "psnr" ? Math.min(...ys) : Math.min(0, ...ys);
  const at = (x: number, y: number) => `${(left + ((x - x0) / Math.max(1, x1 - x0)) * (width - left - 8)).toFixed(1)},${(height - bottom - ((y - y0) / Math.max(1e-9, y1 - y0)) * (height - bottom - 10)).toFixed(1)}`;
  const all = contestants.map(({ name }) => name);
  const lines = series.map(({ name, points }) => `<polyline fill="none" stroke="${inks[all.indexOf(name) % inks.length]}" stroke-width="2" points="${points.map(([x, y]) => at(x, y)).join(" ")}"/>`);
  const digits = key === "psnr" ? 1 : 2;
  return `<figure><figcaption>${title}</figcaption><svg width="${width}" height="${height}" role="img" aria-label="${title} over frames">
<line x1="${left}" y1="${height - bottom}" x2="${width - 8}" y2="${height - bottom}" stroke="#aab"/><line x1="${left}" y1="10" x2="${left}" y2="${height - bottom}" stroke="#aab"/>
<text x="${left - 5}" y="16" text-anchor="end" font-size="11">${y1.toFixed(digits)}</text><text x="${left - 5}" y="${height - bottom}" text-anchor="end" font-size="11">${y0.toFixed(digits)}</text>
<text x="${left}" y="${height - 6}" font-size="11">frame ${x0}</text><text x="${width - 8}" y="${height - 6}" text-anchor="end" font-size="11">${x1}</text>
${lines.join("")}</svg></figure>`;
}

const mostClips = 60;

function clipList({ contestants }: EvaluationReport, hasVideos: boolean): string {
  const first = contestants[0];
  if (!first) return "";
  const worst = first.clips.toSorted((a, b) => (a.iou ?? 1) - (b.iou ?? 1) || a.psnr - b.psnr).slice(0, mostClips);
  return worst.map(({ id, scenario, caption }) => {
    const told = contestants.flatMap(({ name, clips }) => {
      const clip = clips.find((one) => one.id === id);
      return clip ? [`${escapeHtml(name)}: PSNR ${clip.psnr.toFixed(1)}${clip.iou === undefined ? "" : `, IoU ${clip.iou.toFixed(2)}`}${clip.permanence ? `, ${clip.permanence.kept} of ${clip.permanence.expected} came out again` : ""}`] : [];
    });
    return `<article>${hasVideos ? `<video src="videos/${encodeURIComponent(id)}.mp4" controls loop muted playsinline preload="metadata"></video>` : ""}<p><b>${escapeHtml(scenario)}</b> ${escapeHtml(caption)}<br><small>${told.join("; ")}</small></p></article>`;
  }).join("\n");
}
