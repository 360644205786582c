/**
 * Parameters by path. A model is a plain function that takes a `Scope`; asking the scope for a parameter declares it, and
 * the path it was asked under is its name in the checkpoint: `linear(p.in("attn1").in("to_q"), x, 64)` declares
 * `attn1.to_q.weight`. Declaring twice gives the same tensor, so shared weights need nothing special.
 */
import { input, sameShape, type Shape, type Tensor } from "../tensor/index.ts";

/** How a parameter starts when it is not loaded: the distributions that the reference networks use. */
export type Init =
  | { kind: "zeros" }
  | { kind: "ones" }
  | { kind: "constant"; value: number }
  | { kind: "normal"; std: number; truncate?: number }
  | { kind: "uniform"; bound: number };

export interface Parameter {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Init;
  /** The graph input that stands for it. */
  readonly tensor: Tensor;
}

export interface Scope {
  readonly path: string;
  /** The scope below, as in `blocks.3.attn`. */
  in(name: string | number): Scope;
  /** Declares the parameter `name` here. */
  param(name: string, shape: Shape, init: Init): Tensor;
  /** What an adapter adds to the answer of the linear layer here, given its input and its width; see `lora.ts`. */
  adapt?(x: Tensor, out: number): Tensor | undefined;
}

/** All parameters that a model has declared, in the order of declaration. */
export interface Parameters {
  readonly root: Scope;
  readonly all: ReadonlyMap<string, Parameter>;
}

/** An empty set of parameters; `prefix` is put before every name. */
export function parameters(prefix = ""): Parameters {
  const all = new Map<string, Parameter>();
  const scope = (path: string): Scope => ({
    path,
    in: (name) => scope(path ? `${path}.${name}` : String(name)),
    param: (name, shape, init) => {
      const full = path ? `${path}.${name}` : name;
      const known = all.get(full);
      if (known) {
        if (!sameShape(known.shape, shape)) throw new TypeError(`parameter ${full} is asked for as [${shape.join(", ")}] and as [${known.shape.join(", ")}]`);
        return known.tensor;
      }
      const tensor = input(full, shape);
      all.set(full, { name: full, shape: [...shape], init, tensor });
      return tensor;
    },
  });
  return { root: scope(prefix), all };
}
