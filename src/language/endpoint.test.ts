/** The client of OpenAI-compatible endpoints against a real HTTP server that behaves well, badly and maliciously. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { openEndpoint, type EndpointSettings } from "./endpoint.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

interface Seen { url: string; headers: IncomingMessage["headers"]; body: Record<string, unknown> }

async function serve(answer: (seen: Seen, response: ServerResponse, count: number) => void): Promise<{ baseUrl: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      seen.push({ url: `${request.method} ${request.url}`, headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown> });
      answer(seen.at(-1)!, response, seen.length);
    });
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, seen };
}

const json = (response: ServerResponse, value: unknown, status = 200, headers = {}): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(typeof value === "string" ? value : JSON.stringify(value));
};
const chatAnswer = (content: unknown, finish_reason: string | null = "stop"): object => ({ model: "served-name", choices: [{ message: { role: "assistant", content }, finish_reason }], usage: { prompt_tokens: 7, completion_tokens: 3 } });
const open = (baseUrl: string, more: Partial<EndpointSettings> = {}, env = {}): ReturnType<typeof openEndpoint> => openEndpoint({ baseUrl, model: "m", ...more }, env);
const hello = [{ role: "user", content: "hello" }] as const;

describe("asking", () => {
  test("a chat, with sampling settings and a picture, in the interface's own words", async () => {
    const { baseUrl, seen } = await serve((_, response) => json(response, chatAnswer("hi")));
    const model = open(`${baseUrl}/`);
    const picture = { type: "image", mediaType: "image/png", bytes: new Uint8Array([1, 2, 255]) } as const;
    const answer = await model.chat([{ role: "system", content: "be short" }, { role: "user", content: [{ type: "text", text: "what is this?" }, picture] }], { maxTokens: 9, temperature: 0.7, topP: 0.8, topK: 20, presencePenalty: 1.5, repetitionPenalty: 1, seed: 3407, stop: ["\n"] }, { json: true });
    expect(answer).toEqual({ text: "hi", finish: "stop", model: "served-name", promptTokens: 7, completionTokens: 3 });
    expect(seen[0]!.url).toBe("POST /v1/chat/completions");
    expect(seen[0]!.headers).not.toHaveProperty("authorization");
    expect(seen[0]!.body).toEqual({
      model: "m", max_tokens: 9, temperature: 0.7, top_p: 0.8, top_k: 20, presence_penalty: 1.5, repetition_penalty: 1, seed: 3407, stop: ["\n"], response_format: { type: "json_object" },
      messages: [{ role: "system", content: "be short" }, { role: "user", content: [{ type: "text", text: "what is this?" }, { type: "image_url", image_url: { url: "data:image/png;base64,AQL/" } }] }],
    });
  });

  test("a completion, and how it ended", async () => {
    const { baseUrl, seen } = await serve((_, response, count) => json(response, { choices: [{ text: " safe", finish_reason: ["stop", "length", "content_filter", "tool_calls", null][count - 1] }] }));
    const ends = [];
    for (let i = 0; i < 5; i++) ends.push((await open(baseUrl).complete("[INST] x [/INST]", { maxTokens: 100 })).finish);
    expect(ends).toEqual(["stop", "length", "content-filter", "other", "stop"]);
    expect([seen[0]!.url, seen[0]!.body["prompt"]]).toEqual(["POST /v1/completions", "[INST] x [/INST]"]);
  });

  test("content in parts, and content that is missing", async () => {
    const { baseUrl } = await serve((_, response, count) => json(response, chatAnswer(count === 1 ? [{ type: "text", text: "a" }, { type: "text", text: "b" }] : null)));
    expect((await open(baseUrl).chat(hello, { maxTokens: 1 })).text).toBe("ab");
    expect((await open(baseUrl).chat(hello, { maxTokens: 1 })).text).toBe("");
  });
});

describe("keys", () => {
  const key = "sk-secret-0123456789";

  test("comes from the variable that is named, goes to the address that is named, and is never repeated", async () => {
    const { baseUrl, seen } = await serve((s, response) => json(response, { error: { message: `bad key ${s.headers.authorization}` } }, 401));
    const model = open(baseUrl, { apiKeyEnv: "MY_KEY" }, { MY_KEY: ` ${key}\n` });
    expect(JSON.stringify([model.name, model.version])).not.toContain(key);
    const error = await model.chat(hello, { maxTokens: 1 }).catch((e: Error) => e);
    expect(seen[0]!.headers.authorization).toBe(`Bearer ${key}`);
    expect((error as Error).message).toMatch(/status 401: bad key Bearer \[key\]/);
    expect(JSON.stringify(error)).not.toContain(key);
    expect(seen).toHaveLength(1);
  });

  test("a variable that is not set, a key in the address, and a key in the clear are refused", () => {
    expect(() => open("http://127.0.0.1/v1", { apiKeyEnv: "MY_KEY" })).toThrow(/MY_KEY.*not set/);
    expect(() => open("http://me:secret@127.0.0.1/v1")).toThrow(/name or password/);
    expect(() => open("http://example.org/v1", { apiKeyEnv: "MY_KEY" }, { MY_KEY: key })).toThrow(/unencrypted/);
    expect(() => open("http://127.0.0.1.example.org/v1", { apiKeyEnv: "MY_KEY" }, { MY_KEY: key })).toThrow(/unencrypted/);
    expect(() => open("https://example.org/v1", { apiKeyEnv: "MY_KEY" }, { MY_KEY: key })).not.toThrow();
    expect(() => open("http://example.org/v1", { apiKeyEnv: "MY_KEY", keyOverPlainHttp: true }, { MY_KEY: key })).not.toThrow();
    expect(() => open("http://127.0.0.1/v1", { apiKeyEnv: "MY_KEY" }, { MY_KEY: "a\nb" })).toThrow(/characters/);
  });

  test.each([["file:///etc/passwd", /file:/], ["nonsense", /no address/], ["http://a/v1?x=1", /query/], ["javascript:alert(1)", /javascript:/]])("%s is no address", (baseUrl, why) => {
    expect(() => open(baseUrl)).toThrow(why);
  });
});

describe("a server that misbehaves", () => {
  test("redirects are not followed, and the other address sees nothing", async () => {
    const other = await serve((_, response) => json(response, chatAnswer("stolen")));
    for (const status of [301, 302, 307, 308]) {
      const { baseUrl } = await serve((_, response) => response.writeHead(status, { location: `${other.baseUrl}/chat/completions` }).end());
      await expect(open(baseUrl, { apiKeyEnv: "K" }, { K: "secret" }).chat(hello, { maxTokens: 1 })).rejects.toThrow(/not followed/);
    }
    expect(other.seen).toEqual([]);
  });

  test("busy is tried again, as often as allowed, and with the pause that the server asks for", async () => {
    const { baseUrl, seen } = await serve((_, response, count) => (count < 3 ? json(response, "busy", count === 1 ? 503 : 429, { "retry-after": "0" }) : json(response, chatAnswer("at last"))));
    expect((await open(baseUrl).chat(hello, { maxTokens: 1 })).text).toBe("at last");
    expect(seen).toHaveLength(3);
    const always = await serve((_, response) => json(response, "busy", 503, { "retry-after": "0" }));
    await expect(open(always.baseUrl, { retries: 1 }).chat(hello, { maxTokens: 1 })).rejects.toThrow(/status 503: busy/);
    expect(always.seen).toHaveLength(2);
  });

  test("what was answered is not asked again: a refusal, a defect, a wrong shape", async () => {
    for (const [status, body] of [[400, { error: { message: "too long" } }], [500, "oops"], [200, { choices: [] }], [200, "not json"], [200, { choices: [{ message: { content: 7 } }] }]] as const) {
      const { baseUrl, seen } = await serve((_, response) => json(response, body, status));
      await expect(open(baseUrl).chat(hello, { maxTokens: 1 })).rejects.toMatchObject({ code: "missing_dependency" });
      expect(seen, JSON.stringify(body)).toHaveLength(1);
    }
  });

  test("an answer without end is cut off, whatever length it claims", async () => {
    const { baseUrl } = await serve((_, response) => {
      response.writeHead(200);
      const pump = (): void => { if (!response.destroyed) response.write("x".repeat(65_536), pump); };
      pump();
    });
    await expect(open(baseUrl, { maxResponseBytes: 100_000 }).chat(hello, { maxTokens: 1 })).rejects.toThrow(/more than 100000 bytes/);
  });

  test("silence ends at the time limit, before and within the answer", async () => {
    for (const begin of [false, true]) {
      const { baseUrl } = await serve((_, response) => { if (begin) response.writeHead(200).write("{"); });
      const begun = performance.now();
      await expect(open(baseUrl, { timeoutMs: 150 }).chat(hello, { maxTokens: 1 })).rejects.toThrow(/within 150 ms/);
      expect(performance.now() - begun).toBeLessThan(2000);
    }
    const patient = await serve((_, response) => json(response, "busy", 503, { "retry-after": "3600" }));
    await expect(open(patient.baseUrl, { timeoutMs: 150 }).chat(hello, { maxTokens: 1 })).rejects.toThrow(/no time for another try/);
  });

  test("Ctrl-C ends the wait, and is no failure of the server", async () => {
    const { baseUrl } = await serve(() => {});
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(open(baseUrl).chat(hello, { maxTokens: 1 }, { signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  test("nobody there: said with the address, after the tries", async () => {
    const { baseUrl } = await serve(() => {});
    for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
    await expect(open(baseUrl, { retries: 0 }).chat(hello, { maxTokens: 1 })).rejects.toThrow(/cannot be reached \(ECONNREFUSED\).*127\.0\.0\.1/);
  });

  test("a request that is too large is not sent, and bytes that are not UTF-8 are no answer", async () => {
    const { baseUrl, seen } = await serve((_, response) => response.writeHead(200).end(Buffer.from([0x22, 0xff, 0x22])));
    await expect(open(baseUrl, { maxRequestBytes: 100 }).chat([{ role: "user", content: "x".repeat(200) }], { maxTokens: 1 })).rejects.toMatchObject({ code: "bad_argument" });
    expect(seen).toEqual([]);
    await expect(open(baseUrl).chat(hello, { maxTokens: 1 })).rejects.toThrow(/not JSON/);
  });
});
