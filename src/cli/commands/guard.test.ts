/** The guard commands as people and programs meet them: exit codes, JSON, pages, and records that are whole or not. */
import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildSafetyRecord, openGuards, parsePolicy, signRecord } from "../../guardrail/index.ts";
import { main } from "../main.ts";

let folder = "";
let server: Server;
let answer = "safe";
const at = (name: string): string => join(folder, name);
const before = process.env["ORRERY_HOME"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orrery-guard-cli-"));
  process.env["ORRERY_HOME"] = at("home");
  server = createServer((request, response) => {
    request.resume().on("end", () => response.end(JSON.stringify({ choices: [{ message: { content: answer }, finish_reason: "stop" }] })));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  await writeFile(at("policy.yaml"), `policy: one\nversion: 1\nguards:\n  - {name: llama, kind: language-model, stages: [prompt, negative-prompt], options: {format: llama-guard-3, endpoint: {baseUrl: "${baseUrl}", model: m}}}\n`);
});
afterEach(() => { answer = "safe"; });
afterAll(async () => {
  if (before === undefined) delete process.env["ORRERY_HOME"];
  else process.env["ORRERY_HOME"] = before;
  server.close();
  await rm(folder, { recursive: true });
});

async function orrery(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const sink = (key: "out" | "err") => ({ write: (text: string) => { said[key] += text; } });
  const code = await main(["guard", ...words], { stdout: sink("out"), stderr: sink("err"), env: {}, signal: new AbortController().signal });
  return { code, ...said };
}

describe("guard check", () => {
  test("0 when everything is allowed, 3 when anything is blocked, with the category and without the evidence on stderr", async () => {
    expect((await orrery("check", "--prompt", "a robot", "--policy", at("policy.yaml"))).code).toBe(0);
    answer = "unsafe\nS1";
    const { code, out, err } = await orrery("check", "--prompt", "a robot", "--policy", at("policy.yaml"));
    expect([code, out]).toEqual([3, expect.stringMatching(/llama +block +Violence 1 >= 0.5/)]);
    expect(err).toMatch(/the prompt was blocked: Violence \[blocked\]/);
  });

  test("JSON has every verdict, also when it blocks", async () => {
    answer = "who knows";
    const { code, out, err } = await orrery("check", "--prompt", "x", "--negative-prompt", "blurry", "--policy", at("policy.yaml"), "--json");
    const result = JSON.parse(out) as { decision: string; stages: { stage: string; blockedBy: string; verdicts: { reason: string }[] }[] };
    expect([code, result.decision, result.stages.map((s) => s.stage)]).toEqual([3, "block", ["prompt", "negative-prompt"]]);
    expect(result.stages[0]).toMatchObject({ blockedBy: "failure", verdicts: [{ verdict: "error" }] });
    expect(result.stages[0]!.verdicts[0]!.reason).toMatch(/cannot be read/);
    expect(JSON.parse(err.trim().split("\n").at(-1)!)).toMatchObject({ error: { code: "blocked", exit: 3 } });
  });

  test("a stage without a guard, a policy that is not there, nothing to check", async () => {
    expect((await orrery("check", "--video", "src/guardrail/testdata/none.mp4", "--policy", at("policy.yaml"))).code).toBe(1);
    expect((await orrery("check", "--prompt", "x", "--policy", at("no.yaml"))).err).toMatch(/no\.yaml.*file_not_found/);
    expect((await orrery("check")).code).toBe(2);
  });
});

describe("guard explain and guard policy", () => {
  test("a page is written, and the prompt's report ends with 0 whatever was found", async () => {
    answer = "unsafe\nS9";
    const { code, out } = await orrery("explain", "--prompt", "a <b>bomb</b>", "--policy", at("policy.yaml"), "--html", at("page.html"));
    expect([code, out]).toEqual([0, expect.stringMatching(/^BLOCKED {2}the prompt was blocked: Guns and Illegal Weapons[^]*llama-guard-3: unsafe, S9/)]);
    const page = await readFile(at("page.html"), "utf8");
    expect(page).toContain("a &#60;b&#62;bomb&#60;/b&#62;");
    expect((await orrery("explain", "x.safety.json", "--prompt", "y")).code).toBe(2);
    expect((await orrery("explain")).code).toBe(2);
  });

  test("a policy's guards, and its text", async () => {
    const { code, out } = await orrery("policy", "--policy", at("policy.yaml"));
    expect([code, out]).toEqual([0, expect.stringMatching(/llama {2}ready {2}prompt, negative prompt\n {2}m http/)]);
    expect((await orrery("policy", "--policy", at("policy.yaml"), "--yaml")).out).toBe(await readFile(at("policy.yaml"), "utf8"));
    await writeFile(at("bad.yaml"), "policy: x\nversion: 1\nguards: [{name: a, stages: [dinner]}]\n");
    expect((await orrery("policy", "--policy", at("bad.yaml"))).err).toMatch(/stages.*bad_config/);
  });
});

describe("guard record verify", () => {
  const keys = generateKeyPairSync("ed25519");
  const pem = (key: typeof keys.publicKey): string => key.export({ type: "spki", format: "pem" }) as string;

  beforeAll(async () => {
    const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards: [{name: g, stages: [prompt]}]\n"));
    const record = buildSafetyRecord({ id: "g-1", requestSha256: "0".repeat(64), stages: [await guards.check({ stage: "prompt", text: "x" })], models: [], software: "orrery test" });
    await writeFile(at("a.safety.json"), JSON.stringify(signRecord(record, keys.privateKey)));
    await writeFile(at("key.pem"), pem(keys.publicKey));
    await writeFile(at("other.pem"), pem(generateKeyPairSync("ed25519").publicKey));
  });

  test("valid by the key that is given; by another, by none, changed, or about another file: exit 1", async () => {
    expect((await orrery("record", "verify", at("a.safety.json"), "--key", at("key.pem"))).code).toBe(0);
    const other = await orrery("record", "verify", at("a.safety.json"), "--key", at("other.pem"), "--json");
    expect([other.code, JSON.parse(other.out)]).toEqual([1, expect.objectContaining({ valid: false, trusted: false })]);
    const unknown = await orrery("record", "verify", at("a.safety.json"));
    expect([unknown.code, unknown.out]).toEqual([1, expect.stringMatching(/whole, but signed by an unknown key/)]);
    await writeFile(at("b.safety.json"), (await readFile(at("a.safety.json"), "utf8")).replace('"decision":"block"', '"decision":"allow"'));
    expect((await orrery("record", "verify", at("b.safety.json"), "--key", at("key.pem"))).err).toMatch(/changed after it was signed.*bad_signature/);
    expect((await orrery("record", "verify", at("a.safety.json"), "--key", at("key.pem"), "--video", at("key.pem"))).err).toMatch(/delivered no file/);
  });

  test("explaining a record: from its file, or from the video that it stands beside", async () => {
    for (const path of ["a.safety.json", "a.mp4"]) {
      const { code, out } = await orrery("explain", at(path), "--key", at("key.pem"));
      expect([code, out]).toEqual([0, expect.stringMatching(/^BLOCKED[^]*signature valid[^]*no guard of kind "g"/)]);
    }
  });

  test("what is no record, no key, or not there", async () => {
    await writeFile(at("c.json"), "{}");
    expect((await orrery("record", "verify", at("c.json"), "--key", at("key.pem"))).err).toMatch(/not a signed safety record/);
    expect((await orrery("record", "verify", at("a.safety.json"), "--key", at("c.json"))).code).toBe(2);
    expect((await orrery("record", "verify", at("gone.json"))).code).toBe(1);
    expect((await orrery("explain", at("c.json"))).code).toBe(2);
  });
});

describe("upsample", () => {
  const run = async (...words: string[]): Promise<{ code: number; out: string; err: string }> => {
    const said = { out: "", err: "" };
    const code = await main(["upsample", ...words], { stdout: { write: (text) => { said.out += text; } }, stderr: { write: (text) => { said.err += text; } }, env: {}, signal: new AbortController().signal });
    return { code, ...said };
  };

  test("a longer prompt that the guards allowed, or 3 and none", async () => {
    const both = (await readFile(at("policy.yaml"), "utf8")).replace("[prompt, negative-prompt]", "[prompt, upsampled-prompt]");
    await writeFile(at("both.yaml"), both);
    const { code, out } = await run("a robot stacks cubes", "--policy", at("both.yaml"), "--json");
    const result = JSON.parse(out) as { upsampled_prompt: string; stages: { stage: string }[] };
    expect([code, result.stages.map((s) => s.stage)]).toEqual([0, ["prompt", "upsampled-prompt"]]);
    expect(result).toMatchObject({ prompt: "a robot stacks cubes", outcome: "upsampled", upsampled_prompt: expect.stringMatching(/^a robot stacks cubes\. [A-Z]/) as string });
    answer = "unsafe\nS1";
    expect((await run("a robot stacks cubes", "--policy", at("both.yaml"))).code).toBe(3);
    answer = "safe";
    expect((await run("a robot", "--policy", at("both.yaml"), "--upsampler", at("none.yaml"))).err).toMatch(/none\.yaml.*file_not_found/);
  });
});
