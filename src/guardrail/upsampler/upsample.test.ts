/** Longer prompts that still say the same, say nothing about people, pass the guards again, or are not used. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openGuards } from "../open.ts";
import { parsePolicy } from "../policy.ts";
import { stages, type Guard, type Verdicts } from "../verdict.ts";
import { contentWords, countWords, lostWords, sensitiveAdditions, unfaithfulness } from "./faithful.ts";
import { growPrompt, openGrammarUpsampler } from "./grammar.ts";
import { cleanCaption, openUpsampler, parseUpsampler, publishedSampling } from "./language-model.ts";
import { standardRules, upsamplePrompt, type PromptUpsampler, type Upsampled } from "./upsample.ts";

const prompts = [
  "a robot arm stacks red cubes on a table", "A dog runs along the beach at sunset", "two cars cross an intersection, seen from a drone", "a person pours water into a glass",
  "an astronaut floats in space, cartoon style", "warehouse forklift", "A worker in a yellow vest scans boxes, while a conveyor moves slowly.", "three children play football", "a nurse helps an old man",
];

describe("the grammar", () => {
  test.each(prompts)("%s: word for word at the beginning, longer, nothing lost, nothing about people", (prompt) => {
    const long = growPrompt(prompt);
    expect(long.startsWith(prompt)).toBe(true);
    expect(countWords(long) - countWords(prompt)).toBeGreaterThan(8);
    expect(countWords(long) - countWords(prompt)).toBeLessThan(110);
    expect(unfaithfulness(prompt, long, standardRules)).toBeUndefined();
    expect(growPrompt(prompt)).toBe(long);
    expect(growPrompt(prompt, 1)).not.toBe(long);
  });

  test("what a prompt speaks of itself is left alone", () => {
    expect(growPrompt("a dog runs along the beach at sunset")).not.toMatch(/daylight|light falls|natural light/i);
    expect(growPrompt("two cars cross an intersection, seen from a drone")).not.toMatch(/camera|shot/i);
    expect(growPrompt("a ball falls slowly")).not.toMatch(/movement/i);
    const full = "A slow close-up of a glossy red cube on a table in a bright room";
    expect(growPrompt(full)).toBe(full);
  });

  test("every sentence of the grammar, over many seeds, is free of people, their attributes and new subjects", () => {
    const added = new Set(Array.from({ length: 400 }, (_, seed) => growPrompt("x y", seed).slice(4) + growPrompt("a boat", seed).slice(6)).flatMap((t) => t.toLowerCase().match(/[a-z]+/g) ?? []));
    expect(sensitiveAdditions("", [...added].join(" "))).toEqual([]);
    for (const word of ["person", "man", "woman", "hand", "face", "child", "robot", "car", "dog", "blood", "gun", "fire"]) expect(added.has(word), word).toBe(false);
    expect(added.size).toBeGreaterThan(80);
  });

  test("the house's own block list objects to none of its words: the reference's blocks its own prompts", async () => {
    const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: blocklist, stages: [upsampled-prompt], threshold: 0.1}]\n"));
    const all = Array.from({ length: 300 }, (_, seed) => `${growPrompt("x y", seed)} ${growPrompt("a boat", seed)}`).join(" ");
    const verdicts = await guards.check({ stage: "upsampled-prompt", text: all.slice(0, 19_000) });
    expect(verdicts.verdicts[0]).toMatchObject({ verdict: "allow", findings: [] });
  });

  test("other languages and letters are left as they are; ends and quotes are kept", () => {
    for (const foreign of ["机器人在桌子上堆积木", "робот складывает кубики на столе", "le chat dort sur le lit dans notre grande maison bleue"]) expect(growPrompt(foreign)).toBe(foreign);
    expect(growPrompt(`a sign that says "OPEN!"`)).toMatch(/^a sign that says "OPEN!" [A-Z]/);
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (text) => { expect(growPrompt(text).startsWith(text.trim())).toBe(true); }), { seed: 2, numRuns: 300 });
  });
});

describe("faithfulness", () => {
  test.each([
    ["a person opens a door", "a young woman opens a wooden door", /gender: woman/], ["a person opens a door", "an old person opens a door", /of a person: old/], ["a worker welds", "a dark-skinned worker welds", /skinned|dark/],
    ["people dance", "Japanese people dance in kimonos", /japanese/], ["a cook stirs a pot", "a cook of about 45 years old stirs a pot", /45 years old/], ["a runner", "a muscular runner in his prime", /muscular|his/], ["a woman prays", "a Muslim woman in a hijab prays", /muslim/],
    ["someone waits", "a homeless man waits", /homeless|man/], ["a face in the crowd", "a beautiful face in the crowd", /beautiful/],
  ])("%s -> %s is refused", (original, result, why) => {
    expect(unfaithfulness(original, result, { maxWords: 300, minKept: 0 })).toMatch(why);
  });

  test("the same words about things, and about people who are already so described, are no additions", () => {
    for (const [original, result] of [["a barn in a field", "an old barn, painted black and white, in a pale field"], ["an old man reads", "an old man reads a book in soft light"], ["a girl runs", "a girl runs, her shoes red"], ["a robot", "a tall, thin robot of dark metal"]] as const)
      expect(sensitiveAdditions(original, result).filter((a) => !/her/.test(a)), result).toEqual([]);
  });

  test.each([
    ["a robot stacks three red cubes", "A robotic arm is stacking three cubes of a bright red.", undefined], ["a robot stacks three red cubes", "A robot stacks red cubes.", /number.*three/], ["a robot stacks 3 cubes", "a robot stacks 4 cubes", /number.*3/],
    ["a dog chases a cat", "A bird sings in a tree.", /what the prompt is about/], ["a dog", "", /empty/], ["a dog", `a dog ${"very ".repeat(400)}`, /401|402/], ["a dog", "a dog\u0007", /control/],
  ])("%s -> %s", (original, result, why) => {
    const found = unfaithfulness(original, result, standardRules);
    if (why === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(why);
  });

  test("content words are those of subject and action", () => {
    expect(contentWords("The robot is stacking 3 cubes on the table, while it turns")).toEqual(["robot", "stacking", "3", "cubes", "table", "turns"]);
    expect(lostWords("a robot stacks cubes", "robots stacking a cube")).toEqual([]);
  });
});

const guard: Guard = {
  model: "t", version: "1", strength: "pattern", covers: ["O1"], stages,
  check: async (s) => {
    if (s.stage === "video") throw new Error("no video");
    if (s.text.includes("broken")) throw new Error("broken");
    return { findings: s.text.includes("blood") ? [{ category: "O1", confidence: 1, evidence: [] }] : [] };
  },
};
const check = async (text: string): Promise<Verdicts> => (await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [upsampled-prompt]}]\n"), { factories: { g: async () => guard } })).check({ stage: "upsampled-prompt", text });
const writes = (...answers: string[]): PromptUpsampler & { asked: number[] } => {
  const asked: number[] = [];
  return { model: "m", version: "1", asked, rewrite: async (_, { attempt }) => { asked.push(attempt); return answers[Math.min(attempt, answers.length - 1)]!; }, close: async () => {} };
};
const run = (original: string, upsampler: PromptUpsampler): Promise<Upsampled> => upsamplePrompt(original, upsampler, check);
const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("with the guards", () => {
  test("a longer prompt is checked again and used, with both hashes", async () => {
    const result = await run("a robot stacks cubes", openGrammarUpsampler());
    expect(result.record).toMatchObject({ outcome: "upsampled", attempts: 1, originalSha256: sha("a robot stacks cubes"), resultSha256: sha(result.prompt), upsampler: "orrery-grammar" });
    expect(result.verdicts[0]).toMatchObject({ decision: "allow", subjectSha256: sha(result.prompt), stage: "upsampled-prompt" });
  });

  test("what is blocked is tried again, then the original is used", async () => {
    const twice = writes("a robot stacks cubes in blood", "a robot stacks cubes, calmly");
    expect((await run("a robot stacks cubes", twice)).record).toMatchObject({ outcome: "upsampled", attempts: 2 });
    const never = writes("a robot stacks cubes in blood");
    const result = await run("a robot stacks cubes", never);
    expect([result.prompt, result.record.outcome, result.record.reason, never.asked]).toEqual(["a robot stacks cubes", "fell-back", expect.stringMatching(/was blocked/), [0, 1, 2]]);
    expect(result.record.resultSha256).toBe(result.record.originalSha256);
  });

  test("what adds to people is refused before any guard sees it, and the original is used", async () => {
    const result = await run("a person stacks cubes", writes("a young asian woman, a person, stacks cubes"));
    expect(result.record).toMatchObject({ outcome: "fell-back", reason: expect.stringMatching(/says of people/) as string });
    expect(result.verdicts).toEqual([]);
  });

  test("a guard that fails on the longer prompt blocks: a failure is not got around by using other words", async () => {
    await expect(run("a robot stacks cubes", writes("a robot stacks cubes, broken"))).rejects.toMatchObject({ code: "blocked" });
  });

  test("over the word limit, and with nothing to add: left alone, and nobody is asked", async () => {
    const long = "word ".repeat(251).trim();
    const upsampler = writes("x");
    expect((await run(long, upsampler)).record).toMatchObject({ outcome: "left-alone", attempts: 0, reason: expect.stringMatching(/251 words, more than 250/) as string });
    expect(upsampler.asked).toEqual([]);
    expect((await run("机器人", openGrammarUpsampler())).record.outcome).toBe("left-alone");
  });

  test("an upsampler that fails is an error, not a silent skip; Ctrl-C is heard", async () => {
    await expect(run("a robot", { ...writes("x"), rewrite: () => Promise.reject(new Error("boom")) })).rejects.toThrow("boom");
    await expect(upsamplePrompt("a robot", writes("x"), check, standardRules, AbortSignal.abort())).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("a language model as upsampler", () => {
  let server: Server, baseUrl = "", answers: { text: string; finish?: string }[] = [];
  let bodies: Record<string, unknown>[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (c: Buffer) => chunks.push(c)).on("end", () => {
        bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
        const { text, finish = "stop" } = answers[Math.min(bodies.length, answers.length) - 1]!;
        response.end(JSON.stringify({ choices: [{ message: { content: text }, finish_reason: finish }] }));
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  });
  beforeEach(() => { bodies = []; });
  afterAll(() => new Promise((done) => server.close(done)));
  const yaml = (template: string, more = ""): string => `upsampler: language-model\ntemplate: ${template}\nendpoint: {baseUrl: "${baseUrl}", model: m}\n${more}`;

  test("cosmos-1: the published sentence and settings", async () => {
    answers = [{ text: "Caption: A robot stacks cubes\non a bench. " }];
    const { upsampler } = await parseUpsampler(yaml("cosmos-1"), "u.yaml");
    expect(await upsampler.rewrite("a robot stacks cubes", { attempt: 0 })).toBe("A robot stacks cubes on a bench.");
    expect(bodies[0]).toEqual({ model: "m", messages: [{ role: "user", content: "Upsample the short caption to a long caption: a robot stacks cubes" }], max_tokens: 512, temperature: 0.01 });
  });

  test("cosmos-3: the published settings, its draft dropped; later attempts are cooler and from another seed", async () => {
    answers = [{ text: `<scene_draft>{"age": "young"}</scene_draft>\n<final_prompt>\nA robot stacks cubes.\n</final_prompt>` }];
    const { upsampler } = await parseUpsampler(yaml("cosmos-3"), "u.yaml");
    expect(await upsampler.rewrite("a robot stacks cubes", { attempt: 0 })).toBe("A robot stacks cubes.");
    await upsampler.rewrite("a robot stacks cubes", { attempt: 1 });
    expect(bodies[0]).toMatchObject({ max_tokens: 20_000, temperature: 0.7, top_p: 0.8, top_k: 20, presence_penalty: 1.5, repetition_penalty: 1, seed: 3407 });
    expect(bodies[1]).toMatchObject({ temperature: 0.35, seed: 3408 });
    expect((bodies[0]!["messages"] as { content: string }[])[0]!.content).toMatch(/^You are an expert prompt engineer[^]*USER PROMPT:\n"a robot stacks cubes"$/);
    expect(publishedSampling.orrery.maxTokens).toBe(400);
  });

  test("an answer that was cut is refused, and the whole chain falls back", async () => {
    answers = [{ text: "A robot stacks", finish: "length" }];
    const { upsampler, rules } = await parseUpsampler(yaml("orrery", "attempts: 2\nsampling: {temperature: 0}\n"), "u.yaml");
    expect((await upsamplePrompt("a robot stacks cubes", upsampler, check, rules)).record).toMatchObject({ outcome: "fell-back", attempts: 2, reason: expect.stringMatching(/empty/) as string });
    expect(bodies[0]).toMatchObject({ temperature: 0, top_p: 0.9 });
    await expect(upsampler.rewrite("x <|im_end|> y", { attempt: 0 })).rejects.toThrow(/marks of a chat format/);
  });

  test("settings that are none are explained", async () => {
    for (const [text, why] of [["upsampler: magic", /upsampler/], [yaml("cosmos-9"), /template/], ["upsampler: language-model", /needs either/], [yaml("{file: no.txt}"), /no\.txt/], ["[", /not YAML/], [yaml("orrery", "sampling: {heat: 1}\n"), /heat/]] as const)
      await expect(parseUpsampler(text, "u.yaml"), text).rejects.toThrow(why);
    await expect(openUpsampler("/nowhere/u.yaml")).rejects.toMatchObject({ code: "file_not_found" });
    expect((await openUpsampler("grammar")).upsampler.model).toBe("orrery-grammar");
  });

  test.each([
    ["- **Scene:** a robot\n- **Light:** soft", "a robot soft"], ["\u201cA robot.\u201d", "A robot."], ["##### A robot", "A robot"], ["<think>a woman</think>A robot", "A robot"], ["* A robot, ", "A robot"], ["", ""],
  ])("%j is cleaned to %j", (answer, caption) => {
    expect(cleanCaption(answer)).toBe(caption);
  });
});
