/** The runner fails closed: every fault, at every guard and every stage, blocks, and nothing but a true verdict opens the gate. */
import { describe, expect, test } from "vitest";
import { makeClip } from "../video/index.ts";
import { isolateGuard } from "./isolate.ts";
import { parsePolicy } from "./policy.ts";
import { hashSubject } from "./hash.ts";
import type { GuardFactory } from "./opened.ts";
import { runGuards } from "./runner.ts";
import { categoriesOf, fromVocabulary } from "./taxonomy.ts";
import { type Guard, requireAllowed, type Stage, stages, type Subject, type Verdicts } from "./verdict.ts";

const subjects: Record<Stage, Subject> = {
  prompt: { stage: "prompt", text: "a robot stacks crates" },
  "upsampled-prompt": { stage: "upsampled-prompt", text: "a yellow robot stacks wooden crates in a bright hall" },
  "negative-prompt": { stage: "negative-prompt", text: "blurry" },
  video: { stage: "video", clip: makeClip(new Uint8Array(2 * 4 * 4 * 3).fill(9), 4, 4, 8) },
};

const guardOf = (check: (subject: Subject) => unknown, extra: Partial<Guard> = {}): Guard => ({
  model: "test", version: "1", strength: "pattern", covers: ["O1", "O2"], stages,
  check: async (subject) => {
    const answer = (await check(subject)) as never;
    return subject.stage === "video" && isObject(answer) ? { framesChecked: subject.clip.frameCount, ...(answer as object) } as never : answer;
  },
  ...extra,
});
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
const passes = (): Guard => guardOf(() => ({ findings: [] }));
const finds = (confidence: number, category = "O1"): Guard => guardOf(() => ({ findings: [{ category, confidence, evidence: ["seen"] }] }));
const policyOf = (guards: string, more = ""): ReturnType<typeof parsePolicy> => parsePolicy(`policy: test\nversion: 3\n${more}guards:\n${guards}`);
const entry = (name: string, more = ""): string => `  - {name: ${name}, stages: [prompt, upsampled-prompt, negative-prompt, video], timeoutMs: 300${more}}\n`;
const opens = (guards: Record<string, Guard>): Record<string, GuardFactory> => Object.fromEntries(Object.entries(guards).map(([k, g]) => [k, async () => g]));

async function run(guards: Record<string, Guard | GuardFactory>, subject: Subject, policy = policyOf(Object.keys(guards).map((n) => entry(n)).join(""))): Promise<Verdicts> {
  const factories = Object.fromEntries(Object.entries(guards).map(([k, g]): [string, GuardFactory] => [k, typeof g === "function" ? g : async () => g]));
  const open = await runGuards(policy, factories);
  try {
    return await open.check(subject);
  } finally {
    await open.close();
  }
}

/** Every way in which a guard in this thread can fail to answer. */
const faults: Record<string, Guard | GuardFactory> = {
  "throws at once": { ...passes(), check: () => { throw new Error("boom"); } },
  rejects: guardOf(() => Promise.reject(new Error("boom"))),
  "rejects with nothing": guardOf(() => Promise.reject(undefined)),
  "never answers": guardOf(() => new Promise(() => {})),
  "answers late": guardOf(() => new Promise((r) => setTimeout(() => r({ findings: [] }), 600))),
  "blocks the thread past its time": guardOf(() => { const until = performance.now() + 320; while (performance.now() < until); return { findings: [] }; }),
  "answers nothing": guardOf(() => undefined),
  "answers true": guardOf(() => true),
  "answers safe": guardOf(() => "safe"),
  "findings are no list": guardOf(() => ({ findings: {} })),
  "a finding of no category": guardOf(() => ({ findings: [{ category: "O99", confidence: 0.1, evidence: [] }] })),
  "a category that is a property of objects": guardOf(() => ({ findings: [{ category: "constructor", confidence: 0.1, evidence: [] }] })),
  "confidence NaN": guardOf(() => ({ findings: [{ category: "O1", confidence: Number.NaN, evidence: [] }] })),
  "confidence infinite": guardOf(() => ({ findings: [{ category: "O1", confidence: -Infinity, evidence: [] }] })),
  "confidence is text": guardOf(() => ({ findings: [{ category: "O1", confidence: "0.1", evidence: [] }] })),
  "confidence above 1": guardOf(() => ({ findings: [{ category: "O1", confidence: 7, evidence: [] }] })),
  "out of memory": guardOf(() => new Array(-1)),
  "too many findings": guardOf(() => ({ findings: Array.from({ length: 20_001 }, () => ({ category: "O1", confidence: 0, evidence: [] })) })),
  "cannot be opened": async () => { throw new Error("no weights"); },
  "covers what there is not": guardOf(() => ({ findings: [] }), { covers: ["O77" as never] }),
  "cannot check this stage": guardOf(() => ({ findings: [] }), { stages: [] }),
};

describe("fault injection", () => {
  test.each(Object.keys(faults))("%s: blocks at every stage and in every place", async (name) => {
    const fault = faults[name]!;
    await Promise.all(stages.flatMap((stage) => [0, 1, 2].map(async (place) => {
      const guards: Record<string, Guard | GuardFactory> = { a: passes(), b: passes(), c: passes() };
      guards["abc"[place]!] = fault;
      const verdicts = await run(guards, subjects[stage]);
      // The clock of a busy machine may make a neighbour late as well; what matters is that nothing passed.
      expect(verdicts.decision, `${stage} ${place}`).toBe("block");
      expect(verdicts.blockedBy).toBe("failure");
      expect(verdicts.verdicts[place]!.verdict).toBe("error");
      expect(verdicts.verdicts[place]!.reason).not.toBe("");
      expect(() => requireAllowed(verdicts, hashSubject(subjects[stage]))).toThrow(/could not be checked/);
    })));
  });

  test("a fault in a guard that is not required is recorded and does not block", async () => {
    const verdicts = await run({ a: passes(), b: guardOf(() => null) }, subjects.prompt, policyOf(entry("a") + entry("b", ", required: false")));
    expect(verdicts.decision).toBe("allow");
    expect(verdicts.verdicts.map((v) => v.verdict)).toEqual(["allow", "error"]);
  });

  test("a block wins over a failure, and says so", async () => {
    const verdicts = await run({ a: finds(0.9), b: guardOf(() => null) }, subjects.video);
    expect(verdicts).toMatchObject({ decision: "block", blockedBy: "harm", message: "the video was blocked: Violence" });
  });

  const module = new URL("testdata/faulty/guards.mjs", import.meta.url).href;
  test.each([["loops", /longer than/], ["eats", /memory/], ["exits", /ended with code 7/], ["throws", /boom/], ["crashes", /outside any promise/], ["functions", /could not be cloned|it failed/]])("in a thread, a guard that %s blocks", async (name, reason) => {
    const policy = policyOf(`  - {name: g, stages: [prompt], timeoutMs: ${name === "loops" ? 300 : 20_000}}\n`);
    const verdicts = await run({ g: () => isolateGuard({ module, name, settings: {} }, 48) }, subjects.prompt, policy);
    expect(verdicts.decision).toBe("block");
    expect(verdicts.verdicts[0]!.reason).toMatch(reason);
  });

  test("in a thread, a guard that cannot be opened blocks, and one that works allows", async () => {
    const policy = policyOf("  - {name: g, stages: [prompt], timeoutMs: 20000}\n");
    expect((await run({ g: () => isolateGuard({ module, name: "unopened", settings: {} }, 48) }, subjects.prompt, policy)).verdicts[0]!.reason).toMatch(/no weights/);
    expect((await run({ g: () => isolateGuard({ module, name: "nowhere", settings: {} }, 48) }, subjects.prompt, policy)).decision).toBe("block");
    expect((await run({ g: () => isolateGuard({ module, name: "good", settings: {} }, 48) }, subjects.prompt, policy)).decision).toBe("allow");
  });

  test("a thread that was killed blocks the call that waited, and the next call gets a new one", async () => {
    const guard = await isolateGuard({ module, name: "exits", settings: {} }, 48);
    const context = { signal: new AbortController().signal };
    await expect(guard.check(subjects.prompt, context)).rejects.toThrow(/code 7/);
    await expect(guard.check(subjects.prompt, context)).rejects.toThrow(/code 7/);
    await guard.close!();
  });
});

describe("decisions", () => {
  test("the threshold, thresholds of single categories, and categories that only count as notes", async () => {
    const policy = policyOf(entry("a", ", threshold: 0.6, thresholds: {O2: 0.9}, block: [O1, O2]"));
    for (const [confidence, category, decision] of [[0.6, "O1", "block"], [0.59, "O1", "allow"], [0.89, "O2", "allow"], [0.9, "O2", "block"], [1, "O12", "allow"]] as const)
      expect((await run({ a: finds(confidence, category) }, subjects.prompt, policy)).decision, `${category} ${confidence}`).toBe(decision);
  });

  test("no guard at a stage, no required guard, an unknown stage, empty, blank, overlong or no text: blocked", async () => {
    const only = policyOf("  - {name: a, stages: [video]}\n");
    expect((await run({ a: passes() }, subjects.prompt, only)).message).toMatch(/requires no guard/);
    expect((await run({ a: passes() }, subjects.prompt, policyOf(entry("a", ", required: false")))).decision).toBe("block");
    for (const subject of [{ stage: "poem", text: "x" }, { stage: "prompt", text: "" }, { stage: "prompt", text: " \n" }, { stage: "prompt", text: 7 }, { stage: "prompt" }, {}, null, { stage: "video" }, { stage: "video", clip: { frames: new Uint8Array(5), width: 1, height: 1, frameCount: 2, fps: 8 } }])
      expect((await run({ a: passes() }, subject as never)).decision, JSON.stringify(subject)).toBe("block");
    expect((await run({ a: passes() }, { stage: "prompt", text: "abcdef" }, policyOf(entry("a"), "maxCharacters: 5\n"))).message).toMatch(/6 characters/);
  });

  test("coverage counts guards that answered, and a policy can demand it", async () => {
    const verdicts = await run({ a: passes(), b: guardOf(() => null, { covers: ["O7"] }) }, subjects.prompt, policyOf(entry("a") + entry("b", ", required: false")));
    expect(verdicts.coverage.covered).toEqual({ O1: [{ guard: "a", strength: "pattern" }], O2: [{ guard: "a", strength: "pattern" }] });
    expect(verdicts.coverage.uncovered).toHaveLength(11);
    expect(verdicts.coverage.weaklyCovered).toEqual(["O1", "O2"]);
    const demanding = policyOf(entry("a"), "mustCover: [O1, O7]\n");
    expect((await run({ a: passes() }, subjects.prompt, demanding)).message).toMatch(/no guard looked for Sexual \(minor\)/);
    expect((await run({ a: guardOf(() => ({ findings: [] }), { covers: ["O1", "O7"] }) }, subjects.prompt, demanding)).decision).toBe("allow");
  });

  test("what one guard writes to its frames no other guard sees, nor the caller", async () => {
    const clip = makeClip(new Uint8Array(48).fill(7), 4, 4, 8);
    const seen: number[] = [];
    const writes = guardOf((s) => { if (s.stage === "video") s.clip.frames.fill(255); return { findings: [] }; });
    const looks = guardOf((s) => { if (s.stage === "video") seen.push(s.clip.frames[0]!); return { findings: [] }; });
    const verdicts = await run({ a: writes, b: looks, c: writes }, { stage: "video", clip });
    expect([verdicts.decision, ...seen, clip.frames[0]]).toEqual(["allow", 7, 7]);
  });

  test("frames that change while they are checked are not the frames that were allowed", async () => {
    const clip = makeClip(new Uint8Array(48).fill(7), 4, 4, 8);
    const verdicts = await run({ a: guardOf(() => { clip.frames.fill(0); return { findings: [] }; }) }, { stage: "video", clip });
    expect(() => requireAllowed(verdicts, hashSubject({ stage: "video", clip }))).toThrow(/other content/);
  });

  test("after close, and after Ctrl-C, nothing is allowed", async () => {
    const guards = await runGuards(policyOf(entry("a")), opens({ a: passes() }));
    const stop = AbortSignal.abort();
    await expect(guards.check(subjects.prompt, { signal: stop })).rejects.toMatchObject({ code: "cancelled" });
    await guards.close();
    expect((await guards.check(subjects.prompt)).decision).toBe("block");
  });
});

describe("the gate", () => {
  test("opens for the subject that was allowed, and for nothing else", async () => {
    const allowed = await run({ a: passes() }, subjects.prompt);
    const hash = hashSubject(subjects.prompt);
    expect(() => requireAllowed(allowed, hash)).not.toThrow();
    expect(() => requireAllowed(allowed, hashSubject(subjects.video))).toThrow(/other content/);
    expect(() => requireAllowed({ ...allowed }, hash)).toThrow(/no verdict/);
    expect(() => requireAllowed(JSON.parse(JSON.stringify(allowed)) as Verdicts, hash)).toThrow(/no verdict/);
    const blocked = await run({ a: finds(1) }, subjects.prompt);
    expect(() => { (blocked as { decision: string }).decision = "allow"; }).toThrow(TypeError);
    expect(() => { (blocked.verdicts as unknown[])[0] = allowed.verdicts[0]; }).toThrow(TypeError);
    expect(() => requireAllowed(blocked, hash)).toThrow(/was blocked: Violence/);
  });

  test("what a guard keeps of its answer cannot change the verdict", async () => {
    const findings = [{ category: "O1" as const, confidence: 1, evidence: [] }];
    const blocked = await run({ a: guardOf(() => ({ findings })) }, subjects.prompt);
    findings.length = 0;
    expect(blocked.verdicts[0]!.findings).toHaveLength(1);
  });
});

describe("the policy file", () => {
  test.each([
    ["policy: a\nversion: 1\nguards: []", /guards/], ["policy: a\nguards: [{name: a, stages: [prompt]}]", /version/], ["- 1", /fields|expected/i], ["a: [", /not YAML/],
    ["policy: a\nversion: 1\nguards: [{name: a, stages: [lunch]}]", /stages/], ["policy: a\nversion: 1\nguards: [{name: a, stages: [prompt], requird: false}]", /requird/],
    ["policy: a\nversion: 1\nguards: [{name: a, stages: [prompt]}, {name: a, stages: [prompt]}]", /two guards/], ["policy: a\nversion: 1\nguards: [{name: a, stages: [prompt], threshold: 0}]", /threshold/],
    ["policy: a\nversion: 1\nguards: [{name: a, stages: [prompt], thresholds: {O99: 0.5}}]", /thresholds/],
  ])("%j is refused", (yaml, why) => {
    expect(() => parsePolicy(yaml)).toThrow(why);
  });

  test("a guard that the program does not know blocks", async () => {
    const guards = await runGuards(policyOf(entry("constructor")), {});
    const verdicts = await guards.check(subjects.prompt);
    expect(verdicts.verdicts[0]!.reason).toMatch(/no guard of kind/);
    expect(verdicts.message).toMatch(/no answer from constructor/);
  });
});

test("labels are mapped by name: the three that the reference reports under a wrong name, and the six that it drops", () => {
  expect(["O10", "O11", "O12"].map((l) => fromVocabulary("aegis", l)!.label)).toEqual(["Harassment", "Threat", "Profanity"]);
  expect(fromVocabulary("nemoguard", "s9")).toEqual({ label: "PII/Privacy", id: "O9" });
  expect(fromVocabulary("llama-guard-3", "S4")!.id).toBe("O7");
  expect(["PII", "Politically Sensitive Topics", "Copyright Violation"].map((l) => fromVocabulary("qwen3guard", l)?.id)).toEqual(["O9", "O13", "O13"]);
  expect(fromVocabulary("cosmos-video", "Violence")!.id).toBe("O1");
  expect(fromVocabulary("openai", "toString")).toBeUndefined();
  expect(categoriesOf("nemoguard")).toHaveLength(13);
  expect(categoriesOf("openai")).not.toContain("O9");
});
