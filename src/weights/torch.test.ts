import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "./open.ts";

/** Written by testdata/make.py. */
const testdata = (name: string): string => new URL(`testdata/${name}`, import.meta.url).pathname;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orrery-torch-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function all(path: string): Promise<Record<string, number[]>> {
  const c = await openCheckpoint(path);
  const out: [string, number[]][] = [];
  try {
    for (const name of c.names()) out.push([name, [...(await c.readF32(name))]]);
  } finally {
    await c.close();
  }
  return Object.fromEntries(out);
}

describe("what torch.save wrote", () => {
  test("every type and every view, from a training checkpoint", async () => {
    const values = await all(testdata("training.pt"));
    const expected: [string, number[]][] = [
      ["f32", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
      ["transposed", [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]],
      ["column", [1, 5, 9]],
      ["expanded", [7, 7, 7, 7, 7, 7]],
      ["bf16", [1.5, -2.25, Infinity]],
      ["f16", [0.5, 2 ** -24, 65504]],
      ["i64", [2 ** 40, -1]],
      ["bool", [1, 0]],
      ["fp8", [1, -448]],
      ["u32", [4294967296]],
      ["parameter", [3]],
      ["scalar", [4]],
      ["empty", []],
      ["__proto__", [9]],
    ];
    expect(Object.entries(values)).toEqual(expected);
  });

  test("shapes, types and places", async () => {
    const c = await openCheckpoint(testdata("training.pt"));
    expect(c.format).toBe("torch");
    expect(c.info("transposed")).toEqual({ dtype: "F32", shape: [4, 3], byteLength: 48 });
    expect(c.info("scalar")).toEqual({ dtype: "F32", shape: [], byteLength: 4 });
    expect(c.info("fp8").dtype).toBe("F8_E4M3");
    expect(c.location("transposed")).toBeUndefined();
    const place = c.location("f32")!;
    const bytes = (await readFile(place.path)).subarray(place.offset, place.offset + place.length);
    expect(bytes.equals(await c.read("f32"))).toBe(true);
    expect(() => c.info("none")).toThrow(/no tensor "none".*14/);
    await c.close();
  });

  test("protocol 4, and the model before its average", async () => {
    expect(await all(testdata("protocol4.pt"))).toEqual({ a: [4, 5, 6, 7, 8, 9, 10, 11] });
  });

  test("a tuple of tensors is numbered", async () => {
    expect(await all(testdata("mean_std.pt"))).toEqual({ 0: [0, 1, 2, 3], 1: [4, 5, 6, 7] });
  });

  test("the format before 1.6", async () => {
    for (const name of ["legacy.pth", "legacy4.pth"]) expect(await all(testdata(name))).toEqual({ w: [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11], b: [1, 2] });
  });

  test("a TorchScript archive, as Cosmos's tokenizers are", async () => {
    const c = await openCheckpoint(testdata("module.jit"));
    expect(c.format).toBe("torchscript");
    expect(c.info("down.0.conv.weight").shape).toEqual([2, 1, 1, 1]);
    await c.close();
    expect(await all(testdata("module.jit"))).toEqual({ _arange: [0, 1], "down.0.conv.weight": [0.5, 0.5], "down.0.conv.bias": [-0.25, -0.25] });
  });

  test("a frozen TorchScript module, which has no names left, is refused saying so", async () => {
    await expect(openCheckpoint(testdata("frozen.jit"))).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringContaining("frozen TorchScript") as string });
  });

  test("a sparse tensor is refused by name", async () => {
    await expect(openCheckpoint(testdata("sparse.pt"))).rejects.toMatchObject({ code: "unsafe_checkpoint", message: expect.stringContaining("_rebuild_sparse_tensor") as string });
  });
});

describe("folders and containers", () => {
  test("encoder.jit and decoder.jit of one folder are one checkpoint", async () => {
    const home = await mkdtemp(join(folder, "jit-"));
    await copyFile(testdata("module.jit"), join(home, "encoder.jit"));
    await copyFile(testdata("mean_std.pt"), join(home, "decoder.jit"));
    expect(Object.keys(await all(home))).toEqual(["0", "1", "_arange", "down.0.conv.weight", "down.0.conv.bias"]);
    await copyFile(testdata("module.jit"), join(home, "decoder.jit"));
    await expect(openCheckpoint(home)).rejects.toThrow(/both .*encoder\.jit and .*decoder\.jit hold "_arange"/);
  });

  /** Changes two bytes of the central directory's record of an entry. */
  async function withRecord(entry: string, at: number, value: number): Promise<string> {
    const bytes = await readFile(testdata("protocol4.pt"));
    const record = bytes.lastIndexOf(entry) - 46;
    expect(bytes.readUInt32LE(record)).toBe(0x02014b50);
    bytes.writeUInt16LE(value, record + at);
    const path = join(folder, "record.pt");
    await writeFile(path, bytes);
    return path;
  }

  test("an archive that was packed again with compression is inflated", async () => {
    expect(await all(testdata("deflated.pt"))).toEqual({ zeros: Array.from({ length: 2048 }, () => 0), tail: [0, 0, 5] });
    const c = await openCheckpoint(testdata("deflated.pt"));
    expect(c.location("tail")).toBeUndefined();
    await c.close();
  });

  test("a storage that inflates to more or less than the archive says is refused", async () => {
    const bytes = await readFile(testdata("deflated.pt"));
    const size = bytes.lastIndexOf("deflated/data/0") - 46 + 24;
    expect(bytes.readUInt32LE(size)).toBe(8192);
    for (const [promised, message] of [[8196, /8192 bytes where 8196/], [8192 * 512, /8192 bytes where/], [2 ** 31, /at most 1073741824/]] as const) {
      bytes.writeUInt32LE(promised, size);
      await writeFile(join(folder, "promise.pt"), bytes);
      await expect(all(join(folder, "promise.pt"))).rejects.toThrow(message);
    }
    // The pickle promises less than it is: inflating stops there instead of going on for as long as there is data.
    const pickle = bytes.lastIndexOf("deflated/data.pkl") - 46 + 24;
    bytes.writeUInt32LE(10, pickle);
    await writeFile(join(folder, "promise.pt"), bytes);
    await expect(openCheckpoint(join(folder, "promise.pt"))).rejects.toMatchObject({ code: "bad_checkpoint", message: expect.stringContaining("cannot be inflated to 10 bytes") as string });
  });

  test("what claims to be compressed and is not is refused, and so are other methods and a zip of something else", async () => {
    await expect(openCheckpoint(await withRecord("protocol4/data.pkl", 10, 8))).rejects.toThrow(/cannot be inflated/);
    await expect(all(await withRecord("protocol4/data/0", 10, 8))).rejects.toThrow(/cannot be inflated/);
    await expect(openCheckpoint(await withRecord("protocol4/data/0", 10, 93))).rejects.toThrow(/data\/0 is compressed by method 93/);
    const other = await readFile(testdata("protocol4.pt"));
    await writeFile(join(folder, "other.zip"), Buffer.from(other.toString("latin1").replaceAll("data.pkl", "date.pkl"), "latin1"));
    await expect(openCheckpoint(join(folder, "other.zip"))).rejects.toThrow(/without data\.pkl/);
  });

  test("a storage that is missing is noticed when the file is opened", async () => {
    const bytes = await readFile(testdata("protocol4.pt"));
    await writeFile(join(folder, "missing.pt"), Buffer.from(bytes.toString("latin1").replaceAll("protocol4/data/0", "protocol4/date/0"), "latin1"));
    await expect(openCheckpoint(join(folder, "missing.pt"))).rejects.toThrow(/storage "0" for a/);
  });
});

test("a damaged file gives bad_checkpoint, unsafe_checkpoint or tensors, never anything else", async () => {
  const path = join(folder, "fuzz");
  for (const name of ["legacy.pth", "protocol4.pt", "deflated.pt"]) {
    const good = await readFile(testdata(name));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }), fc.option(fc.nat(good.length - 1)), async (changes, cut) => {
        const bytes = Buffer.from(good.subarray(0, cut ?? good.length));
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
        await writeFile(path, bytes);
        const result = await all(path).catch((e: { code?: string; stack?: string }) => e.code ?? e.stack);
        if (typeof result === "string") expect(["bad_checkpoint", "unsafe_checkpoint"]).toContain(result);
      }),
      { numRuns: 200 },
    );
  }
});
