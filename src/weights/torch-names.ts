/**
 * Names of the tensors in an unpickled PyTorch checkpoint.
 *
 * 1. A training checkpoint keeps the model's state dict under a key beside optimiser and step. While the value is a dict
 *    that has one of `wrapperKeys` holding a dict or a module, the first of these in the order of the list is taken.
 * 2. Nested dicts, lists and modules are flattened, with names joined by dots. What is not a tensor is left out.
 * 3. `module.` (DataParallel) and `_orig_mod.` (torch.compile) are removed while every name begins with one of them.
 *
 * A checkpoint that is one bare tensor names it `tensor`.
 */
import { OrreryError } from "../errors.ts";
import { AttributeBag } from "./torch-globals.ts";
import { TorchTensor } from "./torch-tensor.ts";

export const wrapperKeys = ["state_dict", "model_state_dict", "model", "module", "net", "ema", "params_ema", "params"] as const;

const prefixes = ["module.", "_orig_mod."];

/** Values visited at most: shared parts of a hostile pickle can be reached in exponentially many ways. */
const mostValues = 1_000_000;
const deepestNesting = 100;
/** Characters of a name; a hostile pickle could repeat one long key in every tensor's. */
const longestName = 4096;

/** @throws `bad_checkpoint` when there is no tensor, two have one name, or the nesting is not a checkpoint's. */
export function nameTensors(root: unknown, path: string, script = false): Map<string, TorchTensor> {
  const bad = (what: string): OrreryError => new OrreryError("bad_checkpoint", `${path} ${what}; save the state dict alone: torch.save(model.state_dict(), …)`);
  const found = new Map<string, TorchTensor>();
  let visited = 0;

  const visit = (value: unknown, name: string, depth: number): void => {
    if (++visited > mostValues) throw bad(`has more than ${mostValues} values`);
    if (depth > deepestNesting) throw bad(`is nested more than ${deepestNesting} deep`);
    if (value instanceof TorchTensor) {
      if (name.length > longestName) throw bad(`has a tensor whose name is longer than ${longestName} characters`);
      if (found.has(name)) throw bad(`has two tensors of the name ${name}`);
      found.set(name, value);
      return;
    }
    for (const [key, child] of children(value)) visit(child, name === "" ? key : `${name}.${key}`, depth + 1);
  };

  const inner = unwrap(root);
  visit(inner, inner instanceof TorchTensor ? "tensor" : "", 0);
  if (found.size === 0) throw bad(script ? "holds no parameters: a frozen TorchScript module has them as nameless constants of its code, so go back to the module that was frozen" : "holds no tensors");
  return withoutPrefixes(found);
}

function unwrap(root: unknown): unknown {
  let value = root;
  for (let depth = 0; value instanceof Map && depth < deepestNesting; depth++) {
    const dict = value;
    const key = wrapperKeys.find((k) => dict.get(k) instanceof Map || dict.get(k) instanceof AttributeBag);
    if (key === undefined) break;
    value = dict.get(key);
  }
  return value;
}

function* children(value: unknown): Iterable<[string, unknown]> {
  if (Array.isArray(value)) for (const [i, child] of (value as unknown[]).entries()) yield [String(i), child];
  const dict = value instanceof AttributeBag ? value.attributes : value;
  if (dict instanceof Map) for (const [key, child] of dict as Map<unknown, unknown>) if (typeof key === "string" || typeof key === "number") yield [String(key), child];
}

function withoutPrefixes(tensors: Map<string, TorchTensor>): Map<string, TorchTensor> {
  let names = [...tensors.keys()];
  for (;;) {
    const prefix = prefixes.find((p) => names.every((n) => n.startsWith(p) && n.length > p.length));
    if (prefix === undefined) break;
    names = names.map((n) => n.slice(prefix.length));
  }
  return new Map([...tensors.values()].map((tensor, i) => [names[i]!, tensor]));
}
