/** For looking: a contact sheet and a page of a rendered folder, and a strip of pictures for each scenario. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { escapeHtml } from "../html.ts";
import { fromSystemError } from "../errors.ts";
import { writeFileAtomic } from "../partial-file.ts";
import { contactSheet, writePng } from "../video/index.ts";
import type { ClipMeta } from "./lab-layout.ts";
import { openLaboratory, type ClipKey, type LabOptions } from "./laboratory.ts";
import { scenarioNames, scenarios, type ScenarioName } from "./scenarios/index.ts";

/** Clips on one sheet: more would not be looked at. */
const mostRows = 24;
const mostCards = 600;

/** Writes `preview.png` and `index.html` into a folder of rendered clips; gives their paths. */
export async function writeLabIndex(folder: string, keys: readonly ClipKey[], metas: readonly ClipMeta[], options: LabOptions): Promise<{ sheet: string; page: string }> {
  const laboratory = await openLaboratory();
  const step = Math.max(1, Math.ceil(keys.length / mostRows));
  const rows = keys.filter((_, i) => i % step === 0).map((key) => {
    const clip = laboratory.render(key, options);
    return { label: `${key.scenario} ${key.index}: ${clip.truth.captionShort}`, clip };
  });
  const [sheet, page] = [join(folder, "preview.png"), join(folder, "index.html")];
  await writePng(sheet, contactSheet(rows, { columns: 9 }));
  await writeFileAtomic(page, labPage(metas));
  return { sheet, page };
}

/** Writes `<scenario>.png` for each scenario, a few clips as strips of frames, and `index.html` with all of them. */
export async function writeLabStrips(folder: string, names: readonly ScenarioName[] = scenarioNames): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fromSystemError(error, folder);
  });
  const laboratory = await openLaboratory();
  for (const scenario of names) {
    const rows = [0, 1, 2].map((index) => {
      const clip = laboratory.render({ scenario, split: "train", index }, { width: 96, height: 96 });
      return { label: clip.truth.captionShort, clip };
    });
    await writePng(join(folder, `${scenario}.png`), contactSheet(rows, { columns: 9, zoom: 1 }));
  }
  const sections = names.map((name) => `<section><h2>${name}</h2><p>${escapeHtml(scenarios[name].shows)}</p><img src="${name}.png" alt="frames of three clips of ${name}"></section>`);
  const page = join(folder, "index.html");
  await writeFileAtomic(page, htmlPage("Scenarios of the laboratory", sections.join("\n")));
  return page;
}

function labPage(metas: readonly ClipMeta[]): string {
  const shown = metas.slice(0, mostCards);
  const names = [...new Set(metas.map((meta) => meta.lab.scenario))];
  const cards = shown.map(({ clip_location, truth_location, windows, lab }) => `<article data-scenario="${escapeHtml(lab.scenario)}">
<video src="${clip_location}" loop muted playsinline preload="metadata"></video>
<p><b>${escapeHtml(lab.scenario)} ${lab.index}</b> ${escapeHtml(windows[0]!.orrery_lab_caption)}</p><a href="${truth_location}">truth</a></article>`);
  const more = metas.length > shown.length ? `<p>${metas.length - shown.length} more clips are in the folder.</p>` : "";
  const buttons = ["all", ...names].map((name) => `<button data-show="${escapeHtml(name)}">${escapeHtml(name)}</button>`).join("");
  return htmlPage(`${metas.length} laboratory clips`, `<nav>${buttons}</nav>${more}<main>${cards.join("\n")}</main>
<script>
const cards = [...document.querySelectorAll("article")];
for (const button of document.querySelectorAll("button")) button.onclick = () => {
  for (const card of cards) card.hidden = button.dataset.show !== "all" && card.dataset.scenario !== button.dataset.show;
};
// Only what is in view plays.
const watch = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => (isIntersecting ? target.play().catch(() => {}) : target.pause())));
for (const video of document.querySelectorAll("video")) watch.observe(video);
</script>`);
}

function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title>
<style>
body { background: #14161a; color: #e8eaee; font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem; }
article p { margin: .4rem 0; } article[hidden] { display: none; }
video { width: 100%; image-rendering: pixelated; border-radius: 4px; background: #000; }
section img { max-width: 100%; image-rendering: pixelated; } a { color: #8ab8ff; }
button { background: #262a31; color: inherit; border: 0; border-radius: 4px; padding: .35rem .8rem; margin: 0 .4rem .8rem 0; cursor: pointer; }
button:hover, button:focus-visible { background: #3a404a; }
</style>
<h1>${escapeHtml(title)}</h1>
${body}
</html>
`;
}
