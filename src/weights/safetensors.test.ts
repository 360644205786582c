import fc from "fast-check";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storedBytes, storedLength, type StoredDType } from "./dtype.ts";
import { openCheckpoint } from "./open.ts";
import { openSafetensors } from "./safetensors.ts";
import { writeSafetensors, writeSharded, type SafetensorsEntry } from "./safetensors-writer.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orrery-safetensors-"));
});
afterAll(() => rm(folder, { recursive: true }));

function file(header: string, data = 0, claimed = Buffer.byteLength(header)): Buffer {
  const out = Buffer.alloc(8 + Buffer.byteLength(header) + data);
  out.writeBigUInt64LE(BigInt(claimed));
  out.write(header, 8);
  return out;
}

async function refusal(content: Uint8Array): Promise<string> {
  const path = join(folder, "bad.safetensors");
  await writeFile(path, content);
  const error = await openSafetensors(path).then(
    (c) => c.close().then(() => undefined),
    (e: unknown) => e as { code: string; message: string },
  );
  expect(error?.code).toBe("bad_checkpoint");
  return error!.message;
}

describe("a malformed header is refused, and the message says why", () => {
  const f32 = (shape: string, offsets: string): string => `{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`;
  const cases: [what: string, header: string, data: number, message: RegExp][] = [
    ["not JSON", `{"a":`, 0, /not valid JSON/],
    ["an array", `[]`, 0, /begin with \{/],
    ["leading space", ` {}`, 0, /begin with \{/],
    ["an unknown dtype", `{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}`, 4, /"F33"/],
    ["a dtype of Object.prototype", `{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,4]}}`, 4, /toString/],
    ["a negative size", `{"a":${f32("[-1]", "[0,4]")}}`, 4, /\[-1\]/],
    ["a broken size", `{"a":${f32("[0.5]", "[0,4]")}}`, 4, /\[0.5\]/],
    ["a product beyond counting", `{"a":${f32("[1099511627776,1099511627776]", "[0,4]")}}`, 4, /more elements/],
    ["an end before the beginning", `{"a":${f32("[0]", "[4,0]")}}`, 4, /before it begins/],
    ["an end beyond the file", `{"a":${f32("[2]", "[0,8]")}}`, 4, /cut off/],
    ["a length that is not the shape's", `{"a":${f32("[2]", "[0,4]")}}`, 4, /8 bytes, but 4/],
    ["an overlap", `{"a":${f32("[2]", "[0,8]")},"b":${f32("[1]", "[4,8]")}}`, 8, /overlaps/],
    ["a hole", `{"a":${f32("[1]", "[0,4]")},"b":${f32("[1]", "[8,12]")}}`, 12, /hole/],
    ["a tail", `{"a":${f32("[1]", "[0,4]")}}`, 5, /5 follow/],
    ["a name twice", `{"a":${f32("[1]", "[0,4]")},"\\u0061":${f32("[1]", "[0,4]")}}`, 4, /"a" twice/],
    ["a field twice", `{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4, /"dtype" twice/],
    ["metadata that is not text", `{"__metadata__":{"a":1}}`, 0, /__metadata__/],
    ["an entry that is no object", `{"a":null}`, 0, /not an object/],
  ];
  test.each(cases)("%s", async (_, header, data, message) => {
    expect(await refusal(file(header, data))).toMatch(message);
  });

  test("lengths: absurd, beyond the file, and a file without one", async () => {
    expect(await refusal(file("{}", 0, 100_000_001))).toMatch(/100000001/);
    expect(await refusal(file("{}", 0, 64))).toMatch(/cut off/);
    expect(await refusal(Buffer.from("abc"))).toMatch(/cut off/);
  });

  test("bytes changed at random never give anything but bad_checkpoint or a checkpoint", async () => {
    const good = file(`{"a":${f32("[1]", "[0,4]")},"b":${f32("[0,2]", "[4,4]")}}`, 4);
    const path = join(folder, "fuzz.safetensors");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, byte] of changes) bytes[at] = byte;
        await writeFile(path, bytes);
        const opened = await openSafetensors(path).catch((e: { code?: string }) => e.code);
        if (typeof opened === "object") await opened.close();
        else expect(opened).toBe("bad_checkpoint");
      }),
      { numRuns: 200 },
    );
  });

  test("`__proto__` is a name like any other", async () => {
    const path = join(folder, "proto.safetensors");
    await writeFile(path, file(`{"__metadata__":{"__proto__":"x"},"__proto__":${f32("[1]", "[0,4]")}}`, 4));
    const c = await openSafetensors(path);
    expect(c.names()).toEqual(["__proto__"]);
    expect(c.metadata.get("__proto__")).toBe("x");
    await c.close();
  });
});

const dtypes = Object.keys(storedBytes) as StoredDType[];
const entry = fc.record({
  name: fc.string({ unit: "grapheme", minLength: 1 }).filter((n) => n !== "__metadata__"),
  dtype: fc.constantFrom(...dtypes),
  shape: fc.array(fc.nat(3), { maxLength: 4 }),
  seed: fc.nat(255),
});
const entries = fc.uniqueArray(entry, { selector: (e) => e.name, maxLength: 6 }).map((list) =>
  list.map(({ seed, ...e }): SafetensorsEntry & { data: Uint8Array } => ({ ...e, data: new Uint8Array(storedLength(e.dtype, e.shape)!).fill(seed) })),
);

describe("writing", () => {
  test("what was written is read back, aligned, and does not depend on the order given", async () => {
    const [a, b] = [join(folder, "a.safetensors"), join(folder, "b.safetensors")];
    await fc.assert(
      fc.asyncProperty(entries, fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), async (list, metadata) => {
        await writeSafetensors(a, list, metadata);
        await writeSafetensors(b, [...list].reverse().map((e) => ({ ...e, data: () => Promise.resolve(e.data) })), metadata);
        expect((await readFile(a)).equals(await readFile(b))).toBe(true);
        const c = await openSafetensors(a);
        expect(new Map(c.metadata)).toEqual(new Map(Object.entries(metadata)));
        expect(c.names().sort()).toEqual(list.map((e) => e.name).sort());
        for (const e of list) {
          expect(c.info(e.name)).toEqual({ dtype: e.dtype, shape: e.shape, byteLength: e.data.length });
          expect(Buffer.from(await c.read(e.name)).equals(e.data)).toBe(true);
          const place = c.location(e.name)!;
          expect(Buffer.from(await readFile(place.path)).subarray(place.offset, place.offset + place.length).equals(e.data)).toBe(true);
        }
        await c.close();
      }),
      { numRuns: 40 },
    );
  });

  test("the bytes are those of the Rust implementation", async () => {
    const path = join(folder, "order.safetensors");
    const of = (name: string, dtype: StoredDType, shape: number[]): SafetensorsEntry => ({ name, dtype, shape, data: new Uint8Array(storedLength(dtype, shape)!) });
    await writeSafetensors(path, [of("b", "F16", [2]), of("a", "I64", [1]), of("z", "F32", [3]), of("é", "F32", [0]), of("c", "BF16", []), of("u", "BOOL", [1]), of("m", "F64", [1])], { format: "pt" });
    const bytes = await readFile(path);
    // What safetensors 0.6 in Python writes for the same tensors.
    expect(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString().trimEnd()).toBe(
      `{"__metadata__":{"format":"pt"},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"m":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},` +
        `"z":{"dtype":"F32","shape":[3],"data_offsets":[16,28]},"é":{"dtype":"F32","shape":[0],"data_offsets":[28,28]},` +
        `"c":{"dtype":"BF16","shape":[],"data_offsets":[28,30]},"b":{"dtype":"F16","shape":[2],"data_offsets":[30,34]},"u":{"dtype":"BOOL","shape":[1],"data_offsets":[34,35]}}`,
    );
  });

  test("floats are rounded to the half types, and refused for what is no float", async () => {
    const path = join(folder, "narrow.safetensors");
    const data = Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1e-8, 1e30);
    await writeSafetensors(path, [{ name: "h", dtype: "F16", shape: [5], data }, { name: "b", dtype: "BF16", shape: [5], data: () => data }]);
    const c = await openSafetensors(path);
    expect([...(await c.readF32("h"))]).toEqual([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -0, Infinity]);
    // Ties go to the even neighbour, one down and one up.
    expect([...(await c.readF32("b"))].slice(0, 3)).toEqual([1, 1, 1 + 2 ** -6]);
    await c.close();
    await expect(writeSafetensors(path, [{ name: "i", dtype: "I32", shape: [5], data }])).rejects.toThrow(/i is I32.*float32/);
  });

  test("a failure leaves neither the file nor a part of it", async () => {
    const home = await mkdtemp(join(folder, "failed-"));
    const path = join(home, "x.safetensors");
    const good = { name: "a", dtype: "F32", shape: [1], data: Float32Array.of(1) } as const;
    await expect(writeSafetensors(path, [good, { ...good, name: "b", data: () => Promise.reject(new Error("no data")) }])).rejects.toThrow("no data");
    await expect(writeSafetensors(path, [{ ...good, data: new Float32Array(2) }])).rejects.toThrow(/8 bytes.*4/);
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    await expect(writeSafetensors(path, [good, { ...good, name: "b", data: () => Promise.reject(full) }])).rejects.toMatchObject({ code: "disk_full", message: expect.stringContaining("x.safetensors") as string });
    await expect(writeSafetensors(path, [good, good])).rejects.toThrow(/twice/);
    expect(await readdir(home)).toEqual([]);
    await expect(writeSafetensors(join(home, "none", "x"), [good])).rejects.toMatchObject({ code: "file_not_found" });
  });
});

describe("sharded models", () => {
  const tensors = ["a", "b", "c"].map((name, i): SafetensorsEntry => ({ name, dtype: "F32", shape: [2], data: Float32Array.of(i, i) }));

  test("written with diffusers' names and read as one", async () => {
    const home = await mkdtemp(join(folder, "shards-"));
    await writeSharded(home, tensors, {}, { maxBytes: 16 });
    expect((await readdir(home)).sort()).toEqual([
      "diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors", "diffusion_pytorch_model.safetensors.index.json",
    ]);
    const c = await openCheckpoint(home);
    expect(c.names()).toEqual(["a", "b", "c"]);
    expect([...(await c.readF32("c"))]).toEqual([2, 2]);
    expect(c.location("c")!.path).toMatch(/00002-of-00002/);
    await c.close();
    await expect(c.read("a")).rejects.toThrow(/closed/);
  });

  test("one shard is a plain file without an index", async () => {
    const home = await mkdtemp(join(folder, "one-"));
    expect(await writeSharded(home, tensors, {}, { stem: "model" })).toEqual([join(home, "model.safetensors")]);
    expect(await readdir(home)).toEqual(["model.safetensors"]);
  });

  async function indexOf(map: Record<string, string>, home: string): Promise<string> {
    const path = join(home, "model.safetensors.index.json");
    await writeFile(path, JSON.stringify({ metadata: {}, weight_map: map }));
    return path;
  }

  test("a shard outside the folder is refused, however it is written", async () => {
    const home = await mkdtemp(join(folder, "escape-"));
    await writeSafetensors(join(folder, "outside.safetensors"), tensors);
    await symlink(join(folder, "outside.safetensors"), join(home, "link.safetensors"));
    for (const name of ["../outside.safetensors", join(folder, "outside.safetensors"), "x/../../outside.safetensors", "..\\outside.safetensors", "link.safetensors"])
      await expect(openCheckpoint(await indexOf({ a: name }, home)), name).rejects.toThrow(/outside its folder/);
  });

  test("links into the folder of the index's own link are followed, as in the Hugging Face cache", async () => {
    const home = await mkdtemp(join(folder, "cache-"));
    await mkdir(join(home, "blobs"));
    await mkdir(join(home, "snapshot"));
    await writeSafetensors(join(home, "blobs", "1234"), tensors);
    await writeFile(join(home, "blobs", "5678"), JSON.stringify({ weight_map: { a: "model-00001-of-00001.safetensors" } }));
    await symlink("../blobs/1234", join(home, "snapshot", "model-00001-of-00001.safetensors"));
    await symlink("../blobs/5678", join(home, "snapshot", "model.safetensors.index.json"));
    const c = await openCheckpoint(join(home, "snapshot"));
    expect(c.names()).toEqual(["a"]);
    await c.close();
  });

  test("an index is known by its content, whatever its name", async () => {
    const home = await mkdtemp(join(folder, "index-"));
    await writeSafetensors(join(home, "s.safetensors"), tensors);
    await writeFile(join(home, "blob"), JSON.stringify({ weight_map: { b: "s.safetensors" } }));
    const c = await openCheckpoint(join(home, "blob"));
    expect(c.names()).toEqual(["b"]);
    await c.close();
    // A header of 0x227b bytes makes a file begin with {" as JSON does.
    await writeSafetensors(join(home, "brace"), tensors, { pad: "" });
    const bare = (await readFile(join(home, "brace"))).readUInt32LE();
    const pad = "x".repeat(0x2278 - bare);
    await writeSafetensors(join(home, "brace"), tensors, { pad });
    const bytes = await readFile(join(home, "brace"));
    const grown = Buffer.concat([Buffer.from([0x7b, 0x22, 0, 0, 0, 0, 0, 0]), bytes.subarray(8, 8 + 0x2278), Buffer.from("   "), bytes.subarray(8 + 0x2278)]);
    await writeFile(join(home, "brace"), grown);
    const safe = await openCheckpoint(join(home, "brace"));
    expect([...(await safe.readF32("c"))]).toEqual([2, 2]);
    await safe.close();
  });

  test("an index that promises what its shards lack is refused", async () => {
    const home = await mkdtemp(join(folder, "lacking-"));
    await writeSafetensors(join(home, "s.safetensors"), tensors);
    await expect(openCheckpoint(await indexOf({ missing: "s.safetensors" }, home))).rejects.toThrow(/no tensor "missing"/);
    await expect(openCheckpoint(await indexOf({ a: "none.safetensors" }, home))).rejects.toMatchObject({ code: "file_not_found" });
  });
});

describe("finding the checkpoint", () => {
  test("content decides, and what is no checkpoint is named for what it is", async () => {
    const home = await mkdtemp(join(folder, "find-"));
    await writeSafetensors(join(home, "weights.pt"), [{ name: "a", dtype: "U8", shape: [1], data: Uint8Array.of(1) }]);
    const c = await openCheckpoint(home);
    expect(c.format).toBe("safetensors");
    await c.close();
    await writeFile(join(home, "other.pt"), "version https://git-lfs.github.com/spec/v1\n");
    await expect(openCheckpoint(join(home, "other.pt"))).rejects.toThrow(/git lfs pull/);
    await expect(openCheckpoint(home)).rejects.toThrow(/2 checkpoints \(other.pt, weights.pt\)/);
    await expect(openCheckpoint(join(home, "none"))).rejects.toMatchObject({ code: "file_not_found" });
    await writeFile(join(home, "empty"), "");
    await expect(openCheckpoint(join(home, "empty"))).rejects.toThrow(/0 bytes/);
    await expect(openCheckpoint(await mkdtemp(join(folder, "bare-")))).rejects.toThrow(/holds no checkpoint/);
  });
});
