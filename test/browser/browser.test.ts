import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRuntime } from "../../src/tensor/runtime/node.ts";
import { tinyTraining } from "./tiny.ts";

const executablePath = [process.env["ORRERY_CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => p && existsSync(p));
const folder = mkdtempSync(join(tmpdir(), "orrery-browser-"));
let server: Server;

beforeAll(async () => {
  if (!executablePath) return;
  await build({ configFile: false, logLevel: "error", build: { outDir: folder, lib: { entry: join(import.meta.dirname, "page.ts"), formats: ["es"], fileName: "page" }, minify: false } });
  const wasm = join(import.meta.dirname, "../../node_modules/onnxruntime-web/dist");
  const types: Record<string, string> = { js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };
  server = createServer((request, response) => {
    const name = basename(new URL(request.url!, "http://localhost").pathname);
    const file = request.url!.startsWith("/wasm/") ? join(wasm, name) : join(folder, name);
    if (request.url === "/") return void response.setHeader("content-type", "text/html").end('<script type="module" src="/page.js"></script>');
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.setHeader("content-type", types[name.split(".").at(-1)!] ?? "application/octet-stream").end(readFileSync(file));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
}, 120_000);

afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

test.skipIf(!executablePath && process.env["CI"] !== "true")("a tiny model trains in headless Chromium with the losses of Node", async () => {
  if (!executablePath) throw new Error("no Chromium on this machine: install it, or set ORRERY_CHROMIUM");
  const runtime = await openRuntime({ threads: 1 });
  const expected = await tinyTraining(runtime, "cpu");
  await runtime.close();
  expect(expected.at(-1)!).toBeLessThan(expected[0]!);

  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("globalThis.result", undefined, { timeout: 60_000 });
    const result = (await page.evaluate("globalThis.result")) as { losses?: number[]; error?: string };
    expect(result.error).toBeUndefined();
    result.losses!.forEach((loss, i) => expect(Math.abs(loss - expected[i]!)).toBeLessThan(1e-3));
    expect(result.losses).toHaveLength(10);
  } finally {
    await browser.close();
  }
}, 120_000);
