/**
 * A restricted unpickler. A pickle is a program for a stack machine that may name any Python callable and call it; this one
 * calls nothing but what its host hands out, so a pickle can build plain data, tensors' descriptions and nothing else.
 * Opcodes: CPython `Lib/pickletools.py`. Those that PyTorch never writes (text opcodes of protocol 0, EXT, INST, OBJ,
 * out-of-band buffers) are refused.
 *
 * Python dicts become `Map` (so `__proto__` is a key like any other), lists and tuples arrays, ints numbers or, beyond
 * 2^53, BigInt, bytes `Uint8Array`, None null.
 */
import { OrreryError } from "../errors.ts";
import { PickleReader } from "./pickle-reader.ts";

/** A value that a pickle may call, made by its host. */
export class Callable {
  readonly name: string;
  readonly call: (args: readonly unknown[]) => unknown;

  constructor(name: string, call: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** An object of a class whose attributes may be set. */
export interface Buildable {
  /** BUILD: the state of a Python object. */
  build(state: unknown): void;
}

export interface PickleHost {
  /** The value of a global. @throws `unsafe_checkpoint` when it is not on the host's list. */
  global(module: string, name: string, offset: number): unknown;
  /** What a persistent id refers to; for PyTorch a storage. */
  persistent(id: unknown, offset: number): unknown;
}

/** Marks open and values on the stack at most; PyTorch's pickles stay below a hundred and a few thousand. */
const deepestMarks = 1000;
const highestStack = 1_000_000;
const largestMemo = 4_000_000;

/**
 * Work done at most: one for an opcode, sixteen for one that makes a dict, a set or an object, which take some 200 bytes each.
 * A byte can ask for one of them, so the size of the file alone bounds memory too late. PyTorch's pickles need under a million.
 */
const mostWork = 16_000_000;
const costly = new Set([0x7d, 0x64, 0x8f, 0x91, 0x51, 0x63, 0x93, 0x52, 0x81]);

/** Opcodes that Python knows and PyTorch does not write, refused by name. */
const refused: Record<number, string> = {
  0x46: "FLOAT", 0x49: "INT", 0x4c: "LONG", 0x50: "PERSID", 0x53: "STRING", 0x56: "UNICODE", 0x67: "GET", 0x70: "PUT",
  0x6f: "OBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x92: "NEWOBJ_EX", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
};

/**
 * Runs the pickle that begins at `offset`.
 * @returns its value and where it ends.
 * @throws `unsafe_checkpoint` when it asks for something outside the host's list, `bad_checkpoint` when it is damaged.
 */
export function unpickle(bytes: Uint8Array, host: PickleHost, path: string, offset = 0): { value: unknown; end: number } {
  const machine = new Machine(new PickleReader(bytes, path, offset), host);
  return { value: machine.run(), end: machine.reader.at };
}

class Machine {
  readonly reader: PickleReader;
  readonly #host: PickleHost;
  readonly #memo = new Map<number, unknown>();
  readonly #marks: unknown[][] = [];
  #stack: unknown[] = [];

  constructor(reader: PickleReader, host: PickleHost) {
    this.reader = reader;
    this.#host = host;
  }

  run(): unknown {
    for (let work = 0; ; ) {
      const at = this.reader.at;
      const opcode = this.reader.u8();
      if (opcode === 0x2e) return this.#pop();
      work += costly.has(opcode) ? 16 : 1;
      if (work > mostWork) throw this.reader.bad(`asks for more than ${mostWork} steps of work`);
      this.#step(opcode, at);
      if (this.#stack.length > highestStack) throw this.reader.bad(`has more than ${highestStack} values on its stack`);
    }
  }

  /** One opcode other than STOP. `at` is its offset, for messages. */
  #step(opcode: number, at: number): void {
    const { reader } = this;
    switch (opcode) {
      case 0x80: { // PROTO
        const protocol = reader.u8();
        if (protocol > 5) throw reader.bad(`is of protocol ${protocol}; 2 to 5 are known`);
        return;
      }
      case 0x95: reader.skip(8); return; // FRAME: a hint for streams only.
      case 0x28: return this.#mark();
      case 0x30: this.#pop(); return; // POP
      case 0x31: this.#toMark(); return; // POP_MARK
      case 0x32: return this.#push(this.#top()); // DUP
      case 0x4e: return this.#push(null);
      case 0x88: return this.#push(true);
      case 0x89: return this.#push(false);
      case 0x4a: return this.#push(reader.i32()); // BININT
      case 0x4b: return this.#push(reader.u8());
      case 0x4d: return this.#push(reader.u16());
      case 0x8a: return this.#push(reader.long(reader.u8())); // LONG1
      case 0x8b: return this.#push(reader.long(reader.u32())); // LONG4
      case 0x47: return this.#push(reader.f64()); // BINFLOAT
      case 0x58: return this.#push(reader.text(reader.u32())); // BINUNICODE
      case 0x8c: return this.#push(reader.text(reader.u8())); // SHORT_BINUNICODE
      case 0x8d: return this.#push(reader.text(reader.u64())); // BINUNICODE8
      case 0x54: return this.#push(reader.text(reader.u32())); // BINSTRING: text of Python 2
      case 0x55: return this.#push(reader.text(reader.u8())); // SHORT_BINSTRING
      case 0x42: return this.#push(reader.bytes(reader.u32())); // BINBYTES
      case 0x43: return this.#push(reader.bytes(reader.u8())); // SHORT_BINBYTES
      case 0x8e: // BINBYTES8
      case 0x96: return this.#push(reader.bytes(reader.u64())); // BYTEARRAY8
      case 0x29: return this.#push([]); // EMPTY_TUPLE
      case 0x5d: return this.#push([]); // EMPTY_LIST
      case 0x85: return this.#push(this.#take(1));
      case 0x86: return this.#push(this.#take(2));
      case 0x87: return this.#push(this.#take(3));
      case 0x74: // TUPLE
      case 0x6c: return this.#push(this.#toMark()); // LIST
      case 0x7d: return this.#push(new Map()); // EMPTY_DICT
      case 0x64: return this.#push(this.#setItems(new Map(), this.#toMark())); // DICT
      case 0x8f: return this.#push(new Set()); // EMPTY_SET
      case 0x91: return this.#push(new Set(this.#toMark())); // FROZENSET
      case 0x61: return this.#append([this.#pop()]);
      case 0x65: return this.#append(this.#toMark());
      case 0x90: return this.#addItems(this.#toMark());
      case 0x73: { // SETITEM
        const item = this.#take(2);
        this.#setItems(this.#top(), item);
        return;
      }
      case 0x75: { // SETITEMS
        const items = this.#toMark();
        this.#setItems(this.#top(), items);
        return;
      }
      case 0x71: return this.#remember(reader.u8()); // BINPUT
      case 0x72: return this.#remember(reader.u32()); // LONG_BINPUT
      case 0x94: return this.#remember(this.#memo.size); // MEMOIZE
      case 0x68: return this.#recall(reader.u8()); // BINGET
      case 0x6a: return this.#recall(reader.u32()); // LONG_BINGET
      case 0x51: return this.#push(this.#host.persistent(this.#pop(), at)); // BINPERSID
      case 0x63: return this.#push(this.#host.global(reader.line(), reader.line(), at)); // GLOBAL
      case 0x93: { // STACK_GLOBAL
        const [module, name] = this.#take(2);
        if (typeof module !== "string" || typeof name !== "string") throw reader.bad(`names a global by something other than text at offset ${at}`);
        return this.#push(this.#host.global(module, name, at));
      }
      case 0x52: // REDUCE
      case 0x81: return this.#call(at); // NEWOBJ
      case 0x62: return this.#build(at);
      case 0x69: { // INST: asks the host first, so that the message names what was asked for.
        const [module, name] = [reader.line(), reader.line()];
        this.#host.global(module, name, at);
        throw this.#unsafe("the opcode INST", at);
      }
      default: {
        const name = refused[opcode];
        if (name) throw this.#unsafe(`the opcode ${name}`, at);
        throw reader.bad(`has the byte 0x${opcode.toString(16).padStart(2, "0")} at offset ${at}, which is no opcode`);
      }
    }
  }

  #call(at: number): void {
    const [callee, args] = this.#take(2);
    if (!(callee instanceof Callable)) throw this.#unsafe("a call of something that is not a known function", at);
    if (!Array.isArray(args)) throw this.reader.bad(`calls ${callee.name} without a tuple of arguments at offset ${at}`);
    this.#push(callee.call(args));
  }

  #build(at: number): void {
    const state = this.#pop();
    const object = this.#top();
    // Attributes of a dict (`_metadata` of a state dict) say nothing about tensors.
    if (object instanceof Map) return;
    if (!isBuildable(object)) throw this.#unsafe("to set attributes of something that has none", at);
    object.build(state);
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #pop(): unknown {
    return this.#take(1)[0];
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw this.#empty();
    return this.#stack[this.#stack.length - 1];
  }

  #take(n: number): unknown[] {
    if (this.#stack.length < n) throw this.#empty();
    return this.#stack.splice(this.#stack.length - n);
  }

  #mark(): void {
    if (this.#marks.length >= deepestMarks) throw this.reader.bad(`is nested more than ${deepestMarks} deep`);
    this.#marks.push(this.#stack);
    this.#stack = [];
  }

  #toMark(): unknown[] {
    const outer = this.#marks.pop();
    if (!outer) throw this.#empty();
    const inner = this.#stack;
    this.#stack = outer;
    return inner;
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.reader.bad(`appends to something that is not a list at offset ${this.reader.at - 1}`);
    for (const item of items) list.push(item);
  }

  #addItems(items: readonly unknown[]): void {
    const set = this.#top();
    if (!(set instanceof Set)) throw this.reader.bad(`adds to something that is not a set at offset ${this.reader.at - 1}`);
    for (const item of items) set.add(item);
  }

  #setItems(target: unknown, items: readonly unknown[]): Map<unknown, unknown> {
    if (!(target instanceof Map)) throw this.reader.bad(`sets an item of something that is not a dict at offset ${this.reader.at - 1}`);
    if (items.length % 2 !== 0) throw this.reader.bad(`has a key without a value at offset ${this.reader.at - 1}`);
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
    return target;
  }

  #remember(index: number): void {
    this.#memo.set(index, this.#top());
    if (this.#memo.size > largestMemo) throw this.reader.bad(`remembers more than ${largestMemo} values`);
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) throw this.reader.bad(`recalls value ${index} at offset ${this.reader.at}, which it has not remembered`);
    this.#push(this.#memo.get(index));
  }

  #empty(): OrreryError {
    return this.reader.bad(`takes a value from an empty stack near offset ${this.reader.at}`);
  }

  #unsafe(what: string, at: number): OrreryError {
    return unsafe(this.reader.path, what, at);
  }
}

const isBuildable = (value: unknown): value is Buildable =>
  typeof value === "object" && value !== null && !Array.isArray(value) && typeof (value as Partial<Buildable>).build === "function";

/** The error for a pickle that wants more than data. */
export function unsafe(path: string, what: string, offset: number): OrreryError {
  return new OrreryError(
    "unsafe_checkpoint",
    `${path} asks for ${what} at offset ${offset} of its pickle. Only tensors and plain data are loaded, because anything else could run code. If you trust the file, convert it once in Python: safetensors.torch.save_file(model.state_dict(), "model.safetensors")`,
  );
}
