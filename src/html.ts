/**
 * Pages that people look at: one self-contained HTML file each, light and dark, legible on a phone, without a network. What is
 * on them belongs to the rooms that write them.
 */

/** Text of strangers as text; marks that turn the direction of writing could make a line say something else than its letters. */
export const escapeHtml = (text: string): string => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd").replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (tag: string, value: string | number): string => `<${tag}${typeof value === "number" ? ' class="number"' : ""}>${escapeHtml(String(value))}</${tag}>`;
  return `<div class="scroll"><table><thead><tr>${head.map((h) => cell("th", h)).join("")}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map((v) => cell("td", v)).join("")}</tr>`).join("")}</tbody></table></div>`;
}

export const duration = (seconds: number): string => (seconds < 60 ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`);

/** A page that needs nothing but itself. `header`, `body` and `script` are HTML and JavaScript; the title is text. */
export function page(title: string, header: string, body: string, script = ""): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>${header}</header>
<main>
${body}
</main>
${script === "" ? "" : `<script>${script}</script>\n`}
</body>
</html>
`;
}

const style = `
:root { --ink: #1c2026; --soft: #59616d; --paper: #fbfaf7; --card: #fff; --rule: #dfdcd4; --s1: #0f6fb8; --s2: #c2410c; --s3: #6b7280; --accent: #0f6fb8; --band: #0f6fb814 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --soft: #a2a8b2; --paper: #14161a; --card: #1c1f25; --rule: #32363e; --s1: #6cb6f0; --s2: #f2a06b; --s3: #9aa2ae; --accent: #6cb6f0; --band: #6cb6f01f } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
header, main { max-width: 62rem; margin: 0 auto; padding: 0 1.1rem }
header { padding-top: 2.2rem }
h1 { font-size: clamp(1.6rem, 5vw, 2.4rem); line-height: 1.15; margin: 0 0 .6rem; letter-spacing: -.01em }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 .4rem; display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap }
h2 small { font-size: .85rem; font-weight: 400; color: var(--soft) }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem }
.step { flex: none; width: 1.7rem; height: 1.7rem; border-radius: 50%; background: var(--accent); color: var(--paper); font-size: .95rem; text-align: center; line-height: 1.7rem }
p { max-width: 44rem; margin: .4rem 0 .9rem }
.lead { font-size: 1.12rem; color: var(--soft) }
section { border-top: 1px solid var(--rule); margin-top: 2.2rem; padding-top: 1.6rem }
figure { margin: 1rem 0; max-width: 100% }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .35rem; max-width: 44rem }
img, video { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #000 }
img { image-rendering: pixelated }
.movie video { width: 100%; image-rendering: pixelated }
.picture { overflow-x: auto } .picture img { min-width: min(36rem, 170vw) }
.chart { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .6rem; max-width: 44rem }
.chart svg { display: block; width: 100%; height: auto }
.chart text { font: 13px system-ui, sans-serif; fill: var(--soft) }
.grid { stroke: var(--rule) } .axis { stroke: var(--soft) } .band { fill: var(--band) }
.line { fill: none; stroke-width: 2; stroke-linejoin: round } .dashed { stroke-dasharray: 5 4 }
path.s1 { stroke: var(--s1) } path.s2 { stroke: var(--s2) } path.s3 { stroke: var(--s3) }
.dot.s1 { fill: var(--s1) } .dot.s2 { fill: var(--s2) } .dot.s3 { fill: var(--s3) }
.legend { display: flex; gap: 1.1rem; flex-wrap: wrap; margin: .2rem .4rem }
.legend i { display: inline-block; width: 1.4rem; border-top: 3px solid; margin-right: .4rem; vertical-align: middle } .legend i.dashed { border-top-style: dashed }
.legend i.s1 { border-color: var(--s1) } .legend i.s2 { border-color: var(--s2) } .legend i.s3 { border-color: var(--s3) }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1.1rem 0; padding: 0; list-style: none }
.figures li { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .7rem .8rem; font-size: .88rem; color: var(--soft); line-height: 1.35 }
.figures b { display: block; font-size: 1.45rem; color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .92rem } th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top } th { color: var(--soft); font-weight: 500 } td:first-child { overflow-wrap: anywhere; min-width: 9rem }
.number { text-align: right; font-variant-numeric: tabular-nums }
code, pre { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace } pre { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .8rem; overflow-x: auto }
nav { display: flex; flex-wrap: wrap; gap: .3rem .9rem; font-size: .92rem; margin: .8rem 0 } a { color: var(--accent) }
.speeds { display: flex; gap: .5rem; align-items: center; flex-wrap: wrap; color: var(--soft); font-size: .9rem }
.speeds button { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--rule); border-radius: 999px; padding: .25rem .8rem; cursor: pointer } .speeds button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--paper) }
footer { color: var(--soft); font-size: .88rem; padding: 2rem 0 3rem }
`.trim();
