/**
 * The known holes of the reference guardrail, one test each: what it lets through, reports wrongly or blocks by mistake. The
 * tests of single files go deeper; this one is the list. And the standard policy, with every guard in it made to fail in turn.
 */
import { describe, expect, test } from "vitest";
import { makeClip } from "../video/index.ts";
import { hashSubject } from "./hash.ts";
import { parseLlamaGuard, parseQwen3Guard } from "./language-model/answers.ts";
import { openGuards } from "./open.ts";
import type { GuardFactory } from "./opened.ts";
import { parsePolicy, readPolicy } from "./policy.ts";
import { fromVocabulary } from "./taxonomy.ts";
import { requireAllowed, stages, type Answer, type Guard, type Stage, type Subject, type Verdicts } from "./verdict.ts";

const clip = makeClip(new Uint8Array(4 * 12).fill(9), 2, 2, 8);
const subjectOf = (stage: Stage): Subject => (stage === "video" ? { stage, clip } : { stage, text: "a robot stacks crates" });
const answering = (answer: (s: Subject) => Answer | Promise<Answer>): GuardFactory => async () => ({ model: "t", version: "1", strength: "pattern", covers: ["O1", "O2"], stages, check: async (s) => answer(s) }) satisfies Guard;
const passing = answering((s) => ({ findings: [], ...(s.stage === "video" ? { framesChecked: s.clip.frameCount } : {}) }));
const blocklist = async (text: string, stage: "prompt" | "negative-prompt" = "prompt"): Promise<Verdicts> =>
  (await openGuards(parsePolicy("policy: t\nversion: 1\nguards:\n  - {name: blocklist, stages: [prompt], threshold: 0.8}\n  - {name: negative, kind: blocklist, stages: [negative-prompt], threshold: 0.8, block: [O7]}\n"))).check({ stage, text });

describe("the reference's holes", () => {
  test("it allows on any exception: here an exception blocks", async () => {
    const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [prompt]}]\n"), { factories: { g: answering(() => { throw new Error("CUDA out of memory"); }) } });
    expect(await guards.check({ stage: "prompt", text: "x" })).toMatchObject({ decision: "block", blockedBy: "failure" });
  });

  test("it reports O10 to O12 under the wrong name, and several categories as none: here by label", () => {
    expect(parseLlamaGuard("aegis", "unsafe\nO10,O11,O12").categories.map((c) => c.label)).toEqual(["O10 (Harassment)", "O11 (Threat)", "O12 (Profanity)"]);
  });

  test("it dropped violence from its video classes, which then pass: here it is a category that blocks", () => {
    expect(fromVocabulary("cosmos-video", "Violence")).toEqual({ label: "Violence", id: "O1" });
  });

  test("it runs with its video classifier switched off and says safe: here a stage without a required guard lets nothing pass", async () => {
    const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [prompt]}]\n"), { factories: { g: passing } });
    expect((await guards.check({ stage: "video", clip })).message).toMatch(/requires no guard for the video/);
  });

  test.each([["full width", "ａ ｍａｎ ｓｔａｂｓ ａｎｏｔｈｅｒ ｍａｎ"], ["mathematical letters", "a man 𝐬𝐭𝐚𝐛𝐬 another man"], ["hidden letters", "a man s\u200bt\u00ada\u2060bs another man"], ["marks on letters", "a man s\u0301ta\u0301bs another man"], ["Cyrillic look-alikes", "a m\u0430n st\u0430bs another man"]])("it is evaded by %s: here the word is read", async (_, text) => {
    expect((await blocklist(text)).decision).toBe("block");
  });

  test("it blocks its own negative prompts: here they pass", async () => {
    for (const text of ["color bleeding, blurry, lifeless, distorted", "the video feels lifeless, with bleeding colors"]) expect((await blocklist(text, "negative-prompt")).decision).toBe("allow");
    expect((await blocklist("a hand holds an Xbox Controller")).decision).toBe("allow");
  });

  test("it skips a frame whose check fails: here a frame that was not looked at blocks", async () => {
    const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [video]}]\n"), { factories: { g: answering(() => ({ findings: [], framesChecked: 3 })) } });
    expect((await guards.check({ stage: "video", clip })).verdicts[0]!.reason).toMatch(/3 of the 4 frames/);
  });

  test("it lets pass what Qwen3Guard calls controversial, and drops three of its categories: here they count", () => {
    expect(parseQwen3Guard("Safety: Controversial\nCategories: PII, Politically Sensitive Topics, Copyright Violation")).toMatchObject({ safety: "controversial", categories: [{ category: "O9" }, { category: "O13" }, { category: "O13" }] });
  });
});

describe("the standard policy, a guard failing at a time", async () => {
  const policy = await readPolicy();
  const faults: Record<string, GuardFactory> = {
    "does not open": async () => { throw new Error("no weights"); },
    throws: answering(() => { throw new Error("boom"); }),
    "answers nothing": answering(() => undefined as never),
    "answers NaN": answering((s) => ({ findings: [{ category: "O1", confidence: Number.NaN, evidence: [] }], ...(s.stage === "video" ? { framesChecked: s.clip.frameCount } : {}) })),
    "runs out of memory": answering(() => new Array(-1) as never),
    "never answers": answering(() => new Promise(() => {})),
  };
  const kinds = [...new Set(policy.guards.map((g) => g.kind))];
  const all = (fault: string, at: string): Promise<Verdicts[]> => check(policy, Object.fromEntries(kinds.map((k) => [k, async (entry) => (entry.name === at ? faults[fault]! : passing)(entry)])));
  const check = async (p: typeof policy, factories: Record<string, GuardFactory>, timeoutMs = 300): Promise<Verdicts[]> => {
    const quick = { ...p, guards: p.guards.map((g) => ({ ...g, timeoutMs })) };
    const guards = await openGuards(quick, { factories });
    return Promise.all(stages.map((stage) => guards.check(subjectOf(stage))));
  };

  test("with every guard passing, every stage is allowed", async () => {
    expect((await check(policy, Object.fromEntries(kinds.map((k) => [k, passing])), 20_000)).map((v) => v.decision)).toEqual(["allow", "allow", "allow", "allow"]);
  });

  test.each(policy.guards.filter((g) => g.required).map((g) => g.name))("%s: whatever goes wrong with it blocks each of its stages, and no gate opens", async (name) => {
    for (const fault of Object.keys(faults)) {
      for (const v of await all(fault, name)) {
        if (!policy.guards.find((g) => g.name === name)!.stages.includes(v.stage)) continue;
        expect(v, `${fault} at ${v.stage}`).toMatchObject({ decision: "block", blockedBy: "failure" });
        expect(() => requireAllowed(v, hashSubject(subjectOf(v.stage)))).toThrow(/could not be checked/);
      }
    }
  });
});
