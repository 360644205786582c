/** The judge of frames: shown what the policy samples, believed only when it speaks of every frame. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeClip } from "../../video/index.ts";
import { openGuards } from "../open.ts";
import { parsePolicy } from "../policy.ts";
import type { Verdicts } from "../verdict.ts";
import { judgeTask, readJudgement } from "./answers.ts";

interface Body { messages: { content: { type: string; text?: string; image_url?: { url: string } }[] }[]; response_format: unknown }
let server: Server, baseUrl = "", bodies: Body[] = [], respond: (body: Body, n: number) => string = () => "";

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (c: Buffer) => chunks.push(c)).on("end", () => {
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Body);
      response.end(JSON.stringify({ choices: [{ message: { content: respond(bodies.at(-1)!, bodies.length) }, finish_reason: "stop" }] }));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
beforeEach(() => { bodies = []; });
afterAll(() => new Promise((done) => server.close(done)));

const clip = makeClip(new Uint8Array(33 * 96 * 64 * 3).fill(90), 96, 64, 8);
const clean = (body: Body): string => JSON.stringify({ frames: body.messages[0]!.content.filter((p) => p.type === "image_url").map((_, frame) => ({ frame, findings: [] })) });
async function judge(options = "", frames = "{sampleFps: 2}"): Promise<Verdicts> {
  const guards = await openGuards(parsePolicy(`policy: t\nversion: 1\nguards:\n  - {name: judge, kind: video-judge, stages: [video], timeoutMs: 20000, frames: ${frames}, options: {endpoint: {baseUrl: "${baseUrl}", model: vlm, retries: 0}${options}}}\n`));
  return guards.check({ stage: "video", clip });
}

test("every sampled frame is shown once, smaller where it is large, with the task", async () => {
  respond = clean;
  const verdicts = await judge(", maxSide: 64");
  expect(verdicts.decision).toBe("allow");
  expect(verdicts.verdicts[0]!.frames).toMatchObject({ of: 33, checked: 10 });
  expect(verdicts.coverage.uncovered).toEqual([]);
  expect(bodies.map((b) => b.messages[0]!.content.filter((p) => p.type === "image_url").length)).toEqual([4, 4, 2]);
  expect(bodies[0]!.messages[0]!.content[0]!.text).toBe(judgeTask(["O1", "O2", "O3", "O4", "O5", "O6", "O7", "O8", "O9", "O10", "O11", "O12", "O13"], 4));
  const png = Buffer.from(bodies[0]!.messages[0]!.content[2]!.image_url!.url.split(",")[1]!, "base64");
  expect([png.readUInt32BE(16), png.readUInt32BE(20), bodies[0]!.response_format]).toEqual([64, 43, { type: "json_object" }]);
});

test("findings carry the number of the frame in the video, and the policy's rule decides", async () => {
  respond = (body, n) => (n === 2 ? JSON.stringify({ frames: [0, 1, 2, 3].map((frame) => ({ frame, findings: frame === 1 ? [{ category: "O4", confidence: 0.8, seen: "a pistol" }] : [] })) }) : clean(body));
  const verdicts = await judge();
  expect(verdicts).toMatchObject({ decision: "block", message: "the video was blocked: Guns and Illegal Weapons" });
  expect(verdicts.verdicts[0]!.findings).toEqual([{ category: "O4", confidence: 0.8, evidence: ["a pistol"], frame: 18 }]);
  bodies = [];
  expect((await judge("", "{sampleFps: 2, minFraction: 0.2}")).decision).toBe("allow");
});

test("fewer categories are fewer covered, and one that was not asked about is an error", async () => {
  respond = clean;
  expect((await judge(", categories: [O1, O4]")).coverage.uncovered).toHaveLength(11);
  respond = (body) => clean(body).replace(`"findings":[]`, `"findings":[{"category":"O2","confidence":0.1}]`);
  expect((await judge(", categories: [O1, O4]")).blockedBy).toBe("failure");
});

describe("an answer that is not whole blocks", () => {
  test.each([
    ["", /not JSON/], ["safe", /not JSON/], ["{}", /not of the form/], [`{"frames":[]}`, /frames none/], [`{"frames":[{"frame":0,"findings":[]}]}`, /frames 0,/], [`{"frames":[{"frame":0,"findings":[]},{"frame":0,"findings":[]}]}`, /frames 0, 0/],
    [`{"frames":[{"frame":0,"findings":[]},{"frame":2,"findings":[]}]}`, /frames 0, 2/], [`{"frames":[{"frame":0,"findings":[]},{"frame":1}]}`, /not of the form/], [`{"frames":[{"frame":0,"findings":[]},{"frame":1,"findings":[{"category":"O99","confidence":1}]}]}`, /not of the form/],
    [`{"frames":[{"frame":0,"findings":[]},{"frame":1,"findings":[{"category":"O1","confidence":7}]}]}`, /not of the form/], [`{"frames":[{"frame":0,"findings":[]},{"frame":1,"findings":[]}]} all fine`, /not JSON/],
  ])("%j", (text, why) => {
    expect(() => readJudgement(text, 2, 0)).toThrow(why);
  });

  test("a fence around the JSON is common and harmless", () => {
    expect(readJudgement('```json\n{"frames":[{"frame":0,"findings":[{"category":"O1","confidence":0.2,"seen":""}]}]}\n```', 1, 7)).toEqual([{ category: "O1", confidence: 0.2, evidence: [], frame: 7 }]);
  });

  test("and so does a server that is not there", async () => {
    const guards = await openGuards(parsePolicy("policy: t\nversion: 1\nguards:\n  - {name: judge, kind: video-judge, stages: [video], options: {endpoint: {baseUrl: \"http://127.0.0.1:9/v1\", model: m, retries: 0}}}\n"));
    expect(await guards.check({ stage: "video", clip })).toMatchObject({ decision: "block", blockedBy: "failure" });
  });
});
