import { describe, expect, test } from "vitest";
import { unpickle } from "./pickle.ts";
import { torchHost } from "./torch-globals.ts";
import { nameTensors } from "./torch-names.ts";

/** Pickles assembled by hand: text stands for its bytes, numbers for one byte each. */
const pickle = (...parts: (string | number | number[])[]): Uint8Array => Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p, "latin1") : Buffer.from([p].flat()))));
const text = (s: string): number[] => [0x8c, s.length, ...Buffer.from(s)];
const run = (bytes: Uint8Array, script = false): unknown => unpickle(bytes, torchHost("x.pt", script), "x.pt").value;
/** A float storage of four elements seen with an offset, a shape and strides of one byte each. */
const tensorOf = (offset: number, shape: number[], strides: number[]): Uint8Array => {
  const tuple = (values: number[]): number[] => [0x28, ...values.flatMap((v) => [0x4b, v]), 0x74];
  return pickle("ctorch._utils\n_rebuild_tensor_v2\n((", text("storage"), "ctorch\nFloatStorage\n", text("0"), text("cpu"), "K", 4, "tQK", offset, tuple(shape), tuple(strides), 0x89, "NtR.");
};
const codeOf = (bytes: Uint8Array, script = false): [string | undefined, string] => {
  try {
    run(bytes, script);
    return [undefined, ""];
  } catch (error) {
    return [(error as { code?: string }).code, (error as Error).message];
  }
};

describe("hostile pickles are refused, naming what they ask for and where", () => {
  const cases: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ["os.system by REDUCE", pickle(0x80, 2, "cos\nsystem\n", text("id"), 0x85, "R."), /global os\.system at offset 2/],
    ["posix.system by protocol 0", pickle("cposix\nsystem\n(S'id'\ntR."), /posix\.system at offset 0/],
    ["eval by STACK_GLOBAL", pickle(0x80, 4, text("builtins"), text("eval"), 0x93, "."), /builtins\.eval at offset 18/],
    ["eval under its old module", pickle("c__builtin__\neval\n."), /__builtin__\.eval/],
    ["getattr", pickle("cbuiltins\ngetattr\n."), /builtins\.getattr/],
    ["an attribute of what is allowed", pickle(0x80, 4, text("torch"), text("storage._load_from_bytes"), 0x93, "."), /torch\.storage\._load_from_bytes/],
    ["torch.load", pickle("ctorch\nload\n."), /torch\.load/],
    ["a property of Object.prototype as a global", pickle("ctorch\nconstructor\n."), /torch\.constructor/],
    ["a module named like a table's key", pickle("c__proto__\nx\n."), /__proto__\.x/],
    ["INST", pickle("(", text("id"), "ios\nsystem\n."), /os\.system/],
    ["INST of what is allowed", pickle("(icollections\nOrderedDict\n."), /opcode INST/],
    ["OBJ", pickle("(ccollections\nOrderedDict\no."), /opcode OBJ/],
    ["EXT1", pickle(0x80, 2, 0x82, 1, "."), /opcode EXT1 at offset 2/],
    ["NEWOBJ_EX", pickle(0x80, 4, "ccollections\nOrderedDict\n)}", 0x92, "."), /NEWOBJ_EX/],
    ["a call of text", pickle(text("os"), ")R."), /a call of something/],
    ["NEWOBJ of a storage type", pickle("ctorch\nFloatStorage\n)", 0x81, "."), /a call of something/],
    ["BUILD on text", pickle(text("x"), "}b."), /set attributes/],
    ["BUILD on a function", pickle("ccollections\nOrderedDict\n}b."), /set attributes/],
    ["a rebuild of a rebuild by a foreign function", pickle("ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\n"), /os\.system/],
    ["a TorchScript class outside an archive", pickle("c__torch__.M\nN\n."), /__torch__\.M\.N/],
  ];
  test.each(cases)("%s", (_, bytes, message) => {
    const [code, said] = codeOf(bytes);
    expect(code).toBe("unsafe_checkpoint");
    expect(said).toMatch(message);
  });

  test("a TorchScript archive admits its own classes and still nothing else", () => {
    expect(codeOf(pickle("c__torch__.M\nN\n)", 0x81, "}b."), true)[0]).toBeUndefined();
    expect(codeOf(pickle("c__torch__x\nN\n."), true)[0]).toBe("unsafe_checkpoint");
    expect(codeOf(pickle("ctorch.jit._pickle\nbuild_anything\n."), true)[0]).toBe("unsafe_checkpoint");
    expect(codeOf(pickle("cos\nsystem\n."), true)[0]).toBe("unsafe_checkpoint");
  });
});

describe("damaged and oversized pickles", () => {
  const cases: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ["nothing", pickle(), /ends at offset 0/],
    ["no STOP", pickle(0x80, 2, "N"), /ends at offset 3/],
    ["text longer than the file", pickle(0x8d, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "."), /more bytes are needed/],
    ["an integer of four gigabytes", pickle(0x8b, [0xff, 0xff, 0xff, 0xff], "."), /integer of 4294967295/],
    ["a recall of nothing", pickle("h", 7, "."), /recalls value 7/],
    ["an empty stack", pickle("."), /empty stack/],
    ["no mark", pickle("t."), /empty stack/],
    ["endless nesting", pickle("(".repeat(1001), "."), /1000 deep/],
    ["a million values", pickle("N".repeat(1_000_001), "."), /1000000 values/],
    ["dicts without end", pickle("}0".repeat(1_000_001), "."), /16000000 steps/],
    ["a key without a value", pickle("}(Nu."), /without a value/],
    ["an unknown byte", pickle(0xff), /0xff at offset 0/],
    ["a future protocol", pickle(0x80, 9, "."), /protocol 9/],
    ["text that is not UTF-8", pickle(0x8c, 1, 0xff, "."), /UTF-8/],
    ["a storage that is no tuple", pickle("NQ."), /other than a storage/],
  ];
  test.each(cases)("%s", (_, bytes, message) => {
    const [code, said] = codeOf(bytes);
    expect(code).toBe("bad_checkpoint");
    expect(said).toMatch(message);
  });
});

describe("values", () => {
  test("numbers of every kind", () => {
    const bytes = pickle("(J", [0xff, 0xff, 0xff, 0xff], "K", 200, "M", [1, 1], 0x8a, 1, 0x80, 0x8a, 0, 0x8a, [8, 0, 0, 0, 0, 0, 0, 0, 0x40], "G", [0xbf, 0xf8, 0, 0, 0, 0, 0, 0], "t.");
    expect(run(bytes)).toEqual([-1, 200, 257, -128, 0, 2n ** 62n, -1.5]);
  });

  test("`__proto__` and `constructor` are keys, and no prototype changes", () => {
    const value = run(pickle("}(", text("__proto__"), "}", text("polluted"), 0x88, "s", text("constructor"), "Nu.")) as Map<string, unknown>;
    expect([...value.keys()]).toEqual(["__proto__", "constructor"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("shared and self-containing lists stay what they are, and naming them ends", () => {
    const cyclic = run(pickle("]", 0x94, "h", 0, "a.")) as unknown[];
    expect(cyclic[0]).toBe(cyclic);
    expect(() => nameTensors(cyclic, "x.pt")).toThrow(/100 deep/);
    // Forty doublings of one list: a thousand thousand million paths through forty values.
    const bomb = run(pickle("]", ...Array.from({ length: 40 }, () => "2\x86"), "."));
    expect(() => nameTensors(bomb, "x.pt")).toThrow(/1000000 values/);
  });
});

test("a name that repeats a long key is refused", () => {
  const scalar = unpickle(tensorOf(0, [], []), torchHost("x.pt", false), "x.pt").value;
  expect([...nameTensors(new Map([["k".repeat(4096), scalar]]), "x.pt").keys()][0]).toHaveLength(4096);
  expect(() => nameTensors(new Map([["a", new Map([["k".repeat(4096), scalar]])]]), "x.pt")).toThrow(/longer than 4096/);
});

describe("tensors", () => {
  test("a view within its storage is accepted, one beyond it is not", () => {
    expect(codeOf(tensorOf(0, [2, 2], [2, 1]))[0]).toBeUndefined();
    expect(codeOf(tensorOf(3, [1, 1], [200, 200]))[0]).toBeUndefined();
    expect(codeOf(tensorOf(9, [0], [1]))[0]).toBeUndefined();
    expect(codeOf(tensorOf(1, [2, 2], [2, 1]))[1]).toMatch(/beyond its storage of 4/);
    expect(codeOf(tensorOf(0, [2], [1, 1]))[1]).toMatch(/1 dimensions with 2 strides/);
    expect(codeOf(tensorOf(0, [255, 255, 255, 255], [0, 0, 0, 0]))[1]).toMatch(/1 GiB of repetition/);
    expect(codeOf(tensorOf(0, Array.from({ length: 9 }, () => 255), Array.from({ length: 9 }, () => 0)))[1]).toMatch(/more elements than any file/);
  });
});
