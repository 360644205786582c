/** What a reviewer is shown: complete, in the right places, and harmless whatever strangers wrote. */
import { generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { makeClip } from "../video/index.ts";
import { coverageTable, explainChecks, explainRecord, explainText, type Explanation } from "./explain.ts";
import { explainPage } from "./explain-page.ts";
import { openGuards } from "./open.ts";
import { parsePolicy } from "./policy.ts";
import { buildSafetyRecord, signRecord, verifyRecord } from "./record.ts";
import { stages, type Finding, type Guard, type Subject, type Verdicts } from "./verdict.ts";

const plain = { good: String, bad: String, warn: String, dim: String, bold: String };
const evil = `<script>alert("1")</script> <img src=x onerror='alert(2)'> </style>\u202e`;
const clip = makeClip(new Uint8Array(40 * 12), 2, 2, 8);
const guard = (strength: Guard["strength"], covers: Guard["covers"], find: (s: Subject) => readonly Finding[]): Guard => ({
  model: `model ${evil}`, version: "1", strength, covers, stages, check: async (s) => ({ findings: find(s), ...(s.stage === "video" ? { framesChecked: s.clip.frameCount } : {}) }),
});
const policy = parsePolicy(`policy: review
version: 4
guards:
  - {name: words, stages: [prompt, video], threshold: 0.8, block: [O1, O2]}
  - {name: frames, stages: [video], threshold: 0.6, frames: {sampleFps: 4}}
  - {name: slow, stages: [prompt], required: false}
`);
let checks: Verdicts[];
beforeAll(async () => {
  const guards = await openGuards(policy, {
    factories: {
      words: async () => guard("pattern", ["O1"], (s) => (s.stage === "video" ? [] : [{ category: "O1", confidence: 0.9, evidence: ["stab", evil] }, { category: "O12", confidence: 1, evidence: ["damn"] }])),
      frames: async () => guard("large-model", ["O1", "O2"], () => [{ category: "O2", confidence: 0.7, evidence: ["skin"], frame: 3 }, { category: "O2", confidence: 0.2, evidence: [], frame: 9 }]),
      slow: async () => { throw new Error(`no model at /models/${evil}`); },
    },
  });
  checks = [await guards.check({ stage: "prompt", text: `stab ${evil}` }), await guards.check({ stage: "video", clip })];
});
const explained = (): Explanation => explainChecks(checks, { prompt: `stab ${evil}` });

describe("text", () => {
  test("stage by stage: who said what, with evidence, threshold, frames, failures, and what nobody looked for", () => {
    const text = explainText(explained(), plain).join("\n");
    expect(text).toMatch(/^BLOCKED {2}the prompt was blocked: Violence\npolicy review 4/);
    expect(text).toMatch(/words {2}block {4}Violence 0.9 >= 0.8/);
    expect(text).toMatch(/- Violence 0.9: stab; /);
    expect(text).toMatch(/slow {3}skipped {2}it could not be opened: it failed: no model at/);
    expect(text).toMatch(/frames {2}block {4}Sexual 0.7 >= 0.6, 1 of 21 frames \(1 needed\)/);
    expect(text).toMatch(/- frame 6: Sexual 0.7: skin/);
    expect(text).toMatch(/nobody looked for Sexual, Criminal/);
    expect(text).toMatch(/words {3}allow {4}nothing in 40 of 40 frames/);
  });

  test("what the policy only notes is said to be a note", async () => {
    const guards = await openGuards(policy, { factories: { words: async () => guard("pattern", ["O12"], () => [{ category: "O12", confidence: 1, evidence: [] }]) } });
    expect(explainText(explainChecks([await guards.check({ stage: "prompt", text: "damn" })]), plain).join("\n")).toMatch(/words {2}allow {4}Profanity 1 >= 0.8, which the policy only notes/);
  });

  test("the coverage table has a row per category and the strongest guard of each stage", () => {
    expect(coverageTable(checks).slice(0, 3).map((r) => [r.id, ...r.cells])).toEqual([["O1", "pattern", "large-model"], ["O2", undefined, "large-model"], ["O3", undefined, undefined]]);
  });
});

describe("page", () => {
  test("holds everything, and nothing that a stranger wrote is markup", () => {
    const page = explainPage(explained());
    expect(page.match(/<(script|img|iframe|link|object)\b/gi)).toBeNull();
    expect(page).not.toContain(evil);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).toContain("&#60;script&#62;");
    expect(page).toContain(`default-src 'none'`);
    for (const piece of ["the prompt was blocked: Violence", "21 of 40 frames looked at", "not asked", "Hate/Identity Hate", "nobody"]) expect(page).toContain(piece);
    expect(page).not.toMatch(/<[^>]*\b(src|href|on\w+)=/);
    expect(page).not.toMatch(/[\u202a-\u202e]/);
    expect(page.match(/<i class="hit">/g)).toHaveLength(1);
    expect(page.match(/<i class="low">/g)).toHaveLength(1);
  });

  test("a record says whether its signature holds; one that was changed is shown as not valid", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const record = buildSafetyRecord({ id: "g-1", requestSha256: "0".repeat(64), stages: [checks[0]!], models: [{ role: "world-model", name: "nano" }], software: "orrery 1" });
    const signed = signRecord(record, privateKey);
    const page = explainPage(explainRecord(signed.record, verifyRecord(signed, publicKey)));
    expect(page).toMatch(/Signature<\/dt><dd><span class="tag good">valid/);
    expect(page).toContain("world model");
    const text = explainText(explainRecord(signed.record, verifyRecord(signed, generateKeyPairSync("ed25519").publicKey)), plain).join("\n");
    expect(text).toMatch(/signature NOT VALID: it was signed by key/);
    expect(text).not.toContain("stab <script>");
  });
});
