/**
 * The explanation as one HTML page that needs nothing else: no scripts, no fonts, no network; it can be mailed, archived and
 * printed. All words in it come from strangers and are escaped, and a content policy in the page forbids anything to load.
 */
import { escapeHtml } from "../html.ts";
import { coverageTable, type Explanation, figure, findingWords, milliseconds, stageWords, strengthWords, thresholdOf } from "./explain.ts";
import { categories } from "./taxonomy.ts";
import type { Finding, Strength, Verdict, Verdicts } from "./verdict.ts";

const esc = (text: unknown): string => escapeHtml(String(text));

const css = `
:root{--ink:#1b1f24;--soft:#5b6470;--line:#dfe3e8;--paper:#fff;--ground:#f5f6f8;--good:#11734b;--goodbg:#e3f4ec;--bad:#a3161a;--badbg:#fbe6e6;--warn:#7a5200;--warnbg:#fdf1d6;--note:#1d4f91}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa4b1;--line:#333a44;--paper:#1b1f25;--ground:#12151a;--good:#6fd3a5;--goodbg:#143326;--bad:#ff9a96;--badbg:#3d1719;--warn:#f0c264;--warnbg:#3a2c0e;--note:#8ab8f5}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 60px}h1{font-size:22px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:17px;margin:0}h3{font-size:13px;font-weight:600;color:var(--soft);margin:0 0 6px}
.card{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:16px}.banner{border-left:6px solid var(--soft)}.banner.good{border-left-color:var(--good)}.banner.bad{border-left-color:var(--bad)}
.tag{display:inline-block;border-radius:99px;padding:1px 10px;font-size:13px;font-weight:600;white-space:nowrap}.good .tag,.tag.good{color:var(--good);background:var(--goodbg)}.bad .tag,.tag.bad{color:var(--bad);background:var(--badbg)}.tag.warn{color:var(--warn);background:var(--warnbg)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 16px;margin:12px 0 0;font-size:14px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}code{font:12.5px/1.5 ui-monospace,"Cascadia Mono",Menlo,monospace;overflow-wrap:anywhere}
.head{display:flex;gap:12px;align-items:baseline;flex-wrap:wrap}.head .aside{margin-left:auto;color:var(--soft);font-size:13px}
blockquote{margin:12px 0 0;padding:10px 14px;background:var(--ground);border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere}
.guard{border-top:1px solid var(--line);margin-top:14px;padding-top:14px;display:grid;grid-template-columns:minmax(160px,220px) 1fr;gap:4px 20px}.guard .who{overflow-wrap:anywhere}.guard small{color:var(--soft);display:block}
.meter{position:relative;height:10px;border-radius:5px;background:var(--ground);border:1px solid var(--line);margin:6px 0 4px;max-width:420px}.meter i{position:absolute;inset:0 auto 0 0;border-radius:4px;background:var(--note)}.meter.bad i{background:var(--bad)}.meter b{position:absolute;top:-4px;bottom:-4px;width:2px;background:var(--ink)}
.strip{display:flex;gap:1px;height:22px;margin:8px 0 2px;max-width:640px}.strip i{flex:1 1 0;background:var(--line);border-radius:1px;min-width:1px}.strip i.low{background:var(--warn)}.strip i.hit{background:var(--bad)}
ul{margin:6px 0 0;padding-left:18px}li{overflow-wrap:anywhere}.soft{color:var(--soft);font-size:13px}
table{border-collapse:collapse;width:100%;font-size:14px;margin-top:10px}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}th{font-weight:600;color:var(--soft)}.wide{overflow-x:auto}
@media (max-width:640px){.guard{grid-template-columns:1fr}}@media print{body{background:#fff}.card{break-inside:avoid}}
`;

const tagOf = (kind: string): string => (kind === "allow" || kind === "done" ? "good" : kind === "skipped" ? "warn" : "bad");
const verdictWords = { allow: "allows", block: "blocks", error: "failed", skipped: "not asked" } as const;

/** One self-contained HTML document. */
export function explainPage(explanation: Explanation): string {
  const { outcome, headline, stages, postprocess } = explanation;
  const good = outcome === "allowed" || outcome === "delivered";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><meta name="referrer" content="no-referrer">
<title>Orrery guard: ${esc(outcome)}</title><style>${css}</style></head><body><main>
<section class="card banner ${good ? "good" : "bad"}"><div class="head"><span class="tag">${esc(outcome)}</span><span class="aside">Orrery guard report</span></div>
<h1>${esc(headline)}</h1>${facts(explanation)}</section>
${stages.map((v) => stageCard(v, explanation.texts[v.stage])).join("\n")}
${postprocess.length > 0 ? afterwards(explanation) : ""}
${coverageCard(stages)}
</main></body></html>
`;
}

function facts({ policy, record }: Explanation): string {
  const rows: [string, string][] = [["Policy", `${esc(policy.name)}, version ${policy.version} <code>${esc(policy.sha256)}</code>`]];
  if (record) {
    const { valid, trusted, reason, keyId } = record.verification;
    rows.push(
      ["Signature", `<span class="tag ${valid ? (trusted ? "good" : "warn") : "bad"}">${valid ? (trusted ? "valid" : "whole, by an unknown key") : "not valid"}</span> ${esc(reason ?? "")} ${keyId ? `<code>${esc(keyId)}</code>` : ""}`],
      ["Record", `<code>${esc(record.id)}</code>`], ["Made", `${esc(record.createdAt)} by ${esc(record.software)}`],
      ...record.models.map(({ role, name, sha256 }): [string, string] => [role.replace("-", " "), `${esc(name)} ${sha256 ? `<code>${esc(sha256)}</code>` : ""}`]),
    );
    if (record.upsampling) rows.push(["Upsampler", esc(`${record.upsampling.upsampler}: ${record.upsampling.outcome}${record.upsampling.reason ? ` (${record.upsampling.reason})` : ""}`)]);
    if (record.output) rows.push(["File", `${esc(record.output.mediaType)}, ${record.output.bytes.toLocaleString("en")} bytes <code>${esc(record.output.sha256)}</code>`]);
  }
  return `<dl>${rows.map(([k, v]) => `<dt>${esc(k)}</dt><dd>${v}</dd>`).join("")}</dl>`;
}

function stageCard(v: Verdicts, text: string | undefined): string {
  const tag = v.decision === "allow" ? ["good", "allowed"] : ["bad", v.blockedBy === "failure" ? "blocked: could not be checked" : "blocked"];
  return `<section class="card"><div class="head"><h2>${esc(stageWords(v.stage))}</h2><span class="tag ${tag[0]}">${tag[1]}</span><span class="aside">${esc(v.checkedAt)}, ${milliseconds(v.durationMs)}</span></div>
${text === undefined ? "" : `<blockquote>${esc(text)}</blockquote>`}
<p class="soft">${v.decision === "block" ? `What was said to whoever asked: “${esc(v.message)}”. ` : ""}Checked: SHA-256 <code>${esc(v.subjectSha256)}</code></p>
${v.verdicts.length === 0 ? `<p class="tag bad">no guard was asked</p>` : v.verdicts.map(guardRow).join("\n")}</section>`;
}

function guardRow(g: Verdict): string {
  const enforced = g.category === undefined || g.enforces === undefined || g.enforces.includes(g.category);
  const meter = g.confidence === undefined ? "" : `<div class="meter ${g.verdict === "block" ? "bad" : ""}" role="img" aria-label="confidence ${figure(g.confidence)}, threshold ${figure(thresholdOf(g))}"><i style="width:${(g.confidence * 100).toFixed(1)}%"></i><b style="left:calc(${(thresholdOf(g) * 100).toFixed(1)}% - 1px)"></b></div>`;
  return `<div class="guard"><div class="who"><strong>${esc(g.guard)}</strong> <span class="tag ${tagOf(g.verdict)}">${verdictWords[g.verdict]}</span>
${g.model === "none" ? "<small>" : `<small>${esc(g.model)}</small><small>${esc(g.version)}</small><small>${strengthWords[g.strength]}, `}${milliseconds(g.durationMs)}${g.required ? "" : ", not required"}</small></div>
<div>${esc(findingWords(g))}${enforced ? "" : ` <span class="tag warn">noted only</span>`}${meter}${g.frames ? strip(g) : ""}${evidence(g.findings)}</div></div>`;
}

/** The video as a strip, a cell per frame or per group of them: over the threshold, found below it, nothing known. */
function strip(g: Verdict): string {
  const { of, checked } = g.frames!;
  const cells = Math.min(of, 160);
  const marks = Array.from({ length: cells }, () => "");
  for (const { frame, confidence, category } of g.findings) {
    if (frame === undefined || frame >= of) continue;
    const cell = Math.min(cells - 1, Math.floor((frame / of) * cells));
    const hit = confidence >= (g.thresholds?.[category] ?? g.threshold) && (g.enforces?.includes(category) ?? true);
    if (hit) marks[cell] = "hit";
    else if (marks[cell] === "") marks[cell] = "low";
  }
  return `<div class="strip" role="img" aria-label="frames with findings">${marks.map((m) => `<i${m ? ` class="${m}"` : ""}></i>`).join("")}</div><div class="soft">${checked} of ${of} frames looked at; red: over the threshold, amber: found below it</div>`;
}

function evidence(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const shown = findings.slice(0, 12);
  const items = shown.map((f) => `<li>${f.frame === undefined ? "" : `frame ${f.frame}: `}${esc(categories[f.category])} ${figure(f.confidence)}${f.evidence.length > 0 ? `: <code>${esc(f.evidence.slice(0, 6).join("; "))}</code>` : ""}</li>`);
  return `<ul>${items.join("")}</ul>${findings.length > shown.length ? `<div class="soft">and ${findings.length - shown.length} more</div>` : ""}`;
}

function afterwards({ postprocess }: Explanation): string {
  return `<section class="card"><h2>After the video was allowed</h2>${postprocess
    .map((s) => `<div class="guard"><div class="who"><strong>${esc(s.processor)}</strong> <span class="tag ${tagOf(s.outcome)}">${esc(s.outcome)}</span><small>${esc(s.model)}</small><small>${esc(s.version)}</small><small>${milliseconds(s.durationMs)}</small></div>
<div>${esc(s.reason ?? `${s.framesChanged} frame(s) changed`)}${s.notes.length > 0 ? `<ul>${s.notes.slice(0, 12).map((n) => `<li>${esc(n)}</li>`).join("")}</ul>` : ""}<div class="soft">frames <code>${esc(s.inputSha256.slice(0, 16))}</code> became <code>${esc(s.outputSha256.slice(0, 16))}</code></div></div></div>`)
    .join("")}</section>`;
}

function coverageCard(stages: readonly Verdicts[]): string {
  const cell = (s: Strength | undefined): string => (s === undefined ? `<span class="tag bad">nobody</span>` : `<span class="tag ${s === "large-model" ? "good" : "warn"}">${strengthWords[s]}</span>`);
  return `<section class="card"><h2>Who looked for what</h2><p class="soft">“Nobody” means that no guard which answered can find this category: it was not ruled out.</p><div class="wide"><table><thead><tr><th>Category</th>${stages.map((v) => `<th>${esc(stageWords(v.stage))}</th>`).join("")}</tr></thead>
<tbody>${coverageTable(stages).map(({ id, label, cells }) => `<tr><td>${id} ${esc(label)}</td>${cells.map((c) => `<td>${cell(c)}</td>`).join("")}</tr>`).join("")}</tbody></table></div></section>`;
}
