/** GGUF models through node-llama-cpp, where that optional package is installed; and what is said where it is not. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chainModel } from "./gguf.cases.ts";
import { llamaPackage, openGguf } from "./gguf.ts";

const installed = await import(llamaPackage).then(() => true, () => false);
let folder = "";
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "orrery-gguf-")); });
afterAll(async () => { await rm(folder, { recursive: true, force: true }); });

const file = async (name: string, bytes: Uint8Array | string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
};

test("a file that is not there, a folder, and settings that are none", async () => {
  await expect(openGguf({ gguf: join(folder, "no.gguf") })).rejects.toMatchObject({ code: "file_not_found" });
  await expect(openGguf({ gguf: folder })).rejects.toMatchObject({ code: "bad_config" });
  await expect(openGguf({ gguf: "x.gguf", contextsize: 9 } as never)).rejects.toThrow(/contextsize/);
});

test("a file that is no model is refused before any native code sees it", async () => {
  const good = chainModel("]safe");
  const version = Buffer.from(good);
  version.writeUInt32LE(9, 4);
  const endless = Buffer.from(good);
  endless.writeBigUInt64LE(2n ** 60n, 8);
  for (const bytes of ["", "GGUF", "GGUF and nothing more than that, really", version, endless])
    await expect(openGguf({ gguf: await file("bad.gguf", bytes) })).rejects.toMatchObject({ code: "bad_checkpoint" });
});

test.skipIf(installed)("without the package: says what is missing and how to install it", async () => {
  const path = await file("any.gguf", chainModel("]safe"));
  await expect(openGguf({ gguf: path })).rejects.toMatchObject({ code: "missing_dependency", message: expect.stringMatching(/npm install .*node-llama-cpp/) as string });
});

describe.skipIf(!installed)(`with ${llamaPackage}`, () => {
  test("continues a text, says what file it is, and refuses what does not fit", async () => {
    const bytes = chainModel("]safe");
    const model = await openGguf({ gguf: await file("safe.gguf", bytes), contextSize: 512 });
    try {
      expect(model).toMatchObject({ name: "safe.gguf", version: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, kind: "gguf" });
      // Two at once: one waits for the other.
      const both = await Promise.all([model.complete("[INST] a robot [/INST]", { maxTokens: 20 }), model.complete("x]", { maxTokens: 2, temperature: 0 })]);
      expect(both).toEqual([{ text: "safe", finish: "stop", model: "safe.gguf" }, { text: "sa", finish: "length", model: "safe.gguf" }]);
      await expect(model.complete("word ".repeat(600), { maxTokens: 20 })).rejects.toThrow(/do not fit the 512 tokens/);
      await expect(model.complete("x]", { maxTokens: 5 }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
      expect((await model.complete("x]", { maxTokens: 20 })).text).toBe("safe");
    } finally {
      await model.close();
    }
    await expect(model.complete("x]", { maxTokens: 5 })).rejects.toThrow(/closed/);
  }, 60_000);

  test("answers messages in the file's own chat format; pictures are refused", async () => {
    const model = await openGguf({ gguf: await file("chat.gguf", chainModel(">unsafe\nO4")), contextSize: 1024 });
    try {
      expect((await model.chat([{ role: "user", content: "hello" }], { maxTokens: 30 })).text).toBe("unsafe\nO4");
      await expect(model.chat([{ role: "user", content: [{ type: "image", mediaType: "image/png", bytes: new Uint8Array() }] }], { maxTokens: 3 })).rejects.toThrow(/text only/);
      await expect(model.chat([{ role: "assistant", content: "x" }], { maxTokens: 3 })).rejects.toThrow(/must be the user's/);
    } finally {
      await model.close();
    }
  }, 60_000);
});
