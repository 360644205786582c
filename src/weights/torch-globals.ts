/**
 * What a PyTorch pickle may name, and what each name gives. It is narrower than `torch.load(weights_only=True)`
 * (`torch/_weights_only_unpickler.py`), apart from `_io.BytesIO`: Cosmos 2.x checkpoints keep an empty one under every
 * `_extra_state`, so it is let in as an object that nothing can be done with.
 */
import { OrreryError } from "../errors.ts";
import type { StoredDType } from "./dtype.ts";
import { Callable, unsafe, type Buildable, type PickleHost } from "./pickle.ts";
import { TorchTensor, type TorchStorage } from "./torch-tensor.ts";

/** A value that is allowed because checkpoints have it beside their tensors, and that is never looked into. */
class Inert implements Buildable {
  build(): void {}
}

/** An object of a TorchScript class: attributes by name, no behaviour. */
export class AttributeBag implements Buildable {
  readonly attributes = new Map<unknown, unknown>();

  build(state: unknown): void {
    if (state instanceof Map) for (const [name, value] of state) this.attributes.set(name, value);
  }
}

class StorageType {
  readonly dtype: StoredDType;

  constructor(dtype: StoredDType) {
    this.dtype = dtype;
  }
}

const storageTypes: Record<string, StoredDType> = {
  DoubleStorage: "F64", FloatStorage: "F32", HalfStorage: "F16", BFloat16Storage: "BF16",
  LongStorage: "I64", IntStorage: "I32", ShortStorage: "I16", CharStorage: "I8", ByteStorage: "U8", BoolStorage: "BOOL",
};

const dtypes: Record<string, StoredDType> = {
  float64: "F64", float32: "F32", float16: "F16", bfloat16: "BF16", float8_e4m3fn: "F8_E4M3", float8_e5m2: "F8_E5M2",
  int64: "I64", int32: "I32", int16: "I16", int8: "I8", uint64: "U64", uint32: "U32", uint16: "U16", uint8: "U8", bool: "BOOL",
};

const inertNames = new Set([
  "_io.BytesIO", "_codecs.encode", "builtins.bytes", "builtins.bytearray", "builtins.set", "builtins.complex", "torch.device",
  "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "collections.Counter", "torch.serialization._get_layout",
]);

/** TorchScript's typed lists and tags around plain values. */
const transparentNames = new Set(["build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag"]);

/** The host for the pickles of a checkpoint at `path`; `script` admits the classes of a TorchScript archive. */
export function torchHost(path: string, script: boolean): PickleHost {
  const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${path} ${what}; save it again with torch.save(model.state_dict(), …) or as safetensors`);

  const storage = (value: unknown): TorchStorage => {
    if (!isStorage(value)) throw bad("builds a tensor of something that is not a storage");
    return value;
  };
  const rebuild = (args: readonly unknown[], metadata: unknown, dtype?: unknown): TorchTensor => {
    if (metadata instanceof Map && [...metadata.values()].some(Boolean)) throw bad("holds a tensor with a lazy conjugate or negative, which is not supported");
    if (dtype !== undefined && !(dtype instanceof StorageType)) throw bad("builds a tensor of an unknown type");
    return new TorchTensor(storage(args[0]), args[1], args[2], args[3], path, dtype?.dtype);
  };
  const parameter = ([data]: readonly unknown[]): TorchTensor => {
    if (!(data instanceof TorchTensor)) throw bad("builds a parameter of something that is not a tensor");
    return data;
  };
  const functions: Record<string, (args: readonly unknown[]) => unknown> = {
    "collections.OrderedDict": ([items]) => orderedDict(items),
    "torch.Size": ([size]) => size,
    "torch._utils._rebuild_tensor": (args) => rebuild(args, undefined),
    "torch._utils._rebuild_tensor_v2": (args) => rebuild(args, args[6]),
    "torch._utils._rebuild_tensor_v3": (args) => rebuild(args, args[7], args[6]),
    "torch._utils._rebuild_parameter": parameter,
    "torch._utils._rebuild_parameter_with_state": parameter,
    "torch.nn.parameter.Parameter": parameter,
    "torch._tensor._rebuild_from_type_v2": ([build, , args]) => {
      if (!(build instanceof Callable) || !Array.isArray(args)) throw bad("rebuilds a tensor by something that is not a known function");
      return build.call(args);
    },
  };

  return {
    global(module, name, offset) {
      // Python 2 and protocols below 3 know `builtins` by its old name.
      const full = `${module === "__builtin__" ? "builtins" : module}.${name}`;
      const build = Object.hasOwn(functions, full) ? functions[full] : undefined;
      if (build) return new Callable(full, build);
      if (inertNames.has(full)) return new Callable(full, () => new Inert());
      if ((module === "torch" || module === "torch.cuda") && Object.hasOwn(storageTypes, name)) return new StorageType(storageTypes[name]!);
      if (full === "torch.storage.UntypedStorage" || full === "torch.storage._UntypedStorage") return new StorageType("U8");
      if (module === "torch" && Object.hasOwn(dtypes, name)) return new StorageType(dtypes[name]!);
      if (script && (module === "__torch__" || module.startsWith("__torch__."))) return new Callable(full, () => new AttributeBag());
      if (script && module === "torch.jit._pickle" && transparentNames.has(name)) return new Callable(full, ([value]) => value);
      throw unsafe(path, `the global ${module}.${name}`, offset);
    },

    /** `("storage", type, key, device, length)`, and in old files a sixth `(key of the view, start, length)` or None. */
    persistent(id, offset) {
      if (!Array.isArray(id) || id[0] !== "storage") throw bad(`refers to something other than a storage at offset ${offset} of its pickle`);
      const [, type, key, , length, part] = id as unknown[];
      if (!(type instanceof StorageType) || typeof key !== "string" || !isCount(length)) throw bad(`refers to a storage at offset ${offset} of its pickle without its type, key or length`);
      const whole: TorchStorage = { key, dtype: type.dtype, length, start: 0 };
      if (part === undefined || part === null) return whole;
      const [, start, partLength] = Array.isArray(part) ? (part as unknown[]) : [];
      if (!isCount(start) || !isCount(partLength) || start + partLength > length) throw bad(`refers to a part outside its storage at offset ${offset} of its pickle`);
      return { key, dtype: type.dtype, length: partLength, start };
    },
  };
}

function orderedDict(items: unknown): Map<unknown, unknown> {
  const out = new Map<unknown, unknown>();
  if (Array.isArray(items)) for (const item of items as unknown[]) if (Array.isArray(item) && item.length === 2) out.set(item[0], item[1]);
  return out;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isStorage = (value: unknown): value is TorchStorage =>
  typeof value === "object" && value !== null && !(value instanceof Map) && "key" in value && "length" in value && "start" in value && "dtype" in value;
