/**
 * The graph: immutable nodes, one per value, made by calling the functions in `ops/`. There is no builder and no hidden
 * context; a graph is whatever can be reached from its outputs. A node's `id` grows with creation and a node is always made
 * after its inputs, so sorting by `id` is a topological order, forwards for lowering and backwards for gradients.
 *
 * Not here: numbers. Nothing is computed until a graph has been written as ONNX (`onnx/`) and loaded by a runtime
 * (`runtime/`); `evaluate` of an op is its slow, obvious definition, for constant folding and as the truth in tests.
 */
import { dtypes, fromNumbers, type DType, type TypedArray } from "./dtype.ts";
import { ShapeError, show, size, type Shape } from "./shape.ts";

export interface Tensor {
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attrs: Attrs;
  readonly shape: Shape;
  readonly dtype: DType;
}

export type Attrs = Readonly<Record<string, unknown>>;

/** A value while it is evaluated the slow way: every element as a double, booleans as 0 and 1. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Where a graph will run. Only `cpu` and `cuda` have ONNX Runtime's fused operators. */
export type Target = "cpu" | "cuda" | "webgpu" | "wasm";

/** What an op's lowering writes with. Values are named; names are chosen here. */
export interface Emitter {
  readonly target: Target;
  /** One ONNX node with one output; `domain` is empty for standard operators. */
  node(type: string, inputs: readonly string[], attrs?: OnnxAttrs, domain?: string): string;
  /** One ONNX node with several outputs. */
  nodes(type: string, inputs: readonly string[], outputs: number, attrs?: OnnxAttrs, domain?: string): string[];
  /** A constant in the model; equal ones are stored once. */
  constant(dtype: DType, shape: Shape, data: TypedArray): string;
  ints(values: readonly number[]): string;
  /** What `make` returned the first time for this key: lets two nodes share one ONNX node with several outputs. */
  shared(key: string, make: () => string[]): string[];
}

export type OnnxAttrs = Readonly<Record<string, number | string | readonly number[] | { float: number } | { floats: readonly number[] } | undefined>>;

/** The meaning of one operation: everything there is to know about it stands in one object in one file of `ops/`. */
export interface Op<A extends Attrs = Attrs> {
  readonly name: string;
  /** The shape rule. Throws `ShapeError` for inputs that do not fit. */
  infer(inputs: readonly Tensor[], attrs: A): { shape: Shape; dtype: DType };
  lower(emit: Emitter, node: Tensor, inputs: readonly string[], attrs: A): string;
  /** Gradients of the inputs given the gradient of the output; `null` where there is none. Absent: not differentiable. */
  grad?(node: Tensor, dy: Tensor, attrs: A): readonly (Tensor | null)[];
  /** The definition, element by element. */
  evaluate(inputs: readonly NdArray[], attrs: A, node: Tensor): NdArray;
}

/** Every op there is, by name; tests walk it. */
export const opTable = new Map<string, Op>();

export function defineOp<A extends Attrs>(op: Op<A>): Op<A> {
  if (opTable.has(op.name)) throw new Error(`two ops are named ${op.name}`);
  opTable.set(op.name, op as unknown as Op);
  return op;
}

let nextId = 0;

/** Makes a node. Shapes are checked here, so a graph that exists is well formed. */
export function apply<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  const { shape, dtype } = op.infer(inputs, attrs);
  if (!shape.every((d) => Number.isInteger(d) && d >= 0)) throw new ShapeError(op.name, `impossible shape ${show(shape)}`);
  return { id: nextId++, op: op as unknown as Op, inputs, attrs, shape, dtype };
}

/** The id that the next node will get; nodes made from now on have at least this one. */
export const nextNodeId = (): number => nextId;

/** The same op and attributes over other inputs. */
export const rebuild = (node: Tensor, inputs: readonly Tensor[]): Tensor => apply(node.op, inputs, node.attrs);

/** All nodes that the outputs need, in topological order. `stop` cuts the walk: such a node is included, its inputs are not. */
export function reachable(outputs: readonly Tensor[], stop: (node: Tensor) => boolean = () => false): Tensor[] {
  const seen = new Set<Tensor>();
  const stack = [...outputs];
  while (stack.length) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    if (!stop(node)) stack.push(...node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

const leaf = (name: string): never => {
  throw new Error(`${name} has no lowering of its own`);
};

interface InputAttrs extends Attrs {
  name: string;
  shape: Shape;
  dtype: DType;
}

export const inputOp = defineOp<InputAttrs>({
  name: "input",
  infer: (_, { shape, dtype }) => ({ shape, dtype }),
  lower: () => leaf("input"),
  evaluate: () => leaf("input"),
});

/** A value that is given when the graph runs. Its name must be unique in the graph. */
export const input = (name: string, shape: Shape, dtype: DType = "float32"): Tensor => apply(inputOp, [], { name, shape: [...shape], dtype });

interface ConstantAttrs extends Attrs {
  data: TypedArray;
  shape: Shape;
  dtype: DType;
}

export const constantOp = defineOp<ConstantAttrs>({
  name: "constant",
  infer: (_, { shape, dtype, data }) => {
    if (data.length !== size(shape)) throw new ShapeError("constant", `${data.length} values for shape ${show(shape)}`);
    if (!(data instanceof dtypes[dtype].array)) throw new ShapeError("constant", `${data.constructor.name} does not hold ${dtype}`);
    return { shape, dtype };
  },
  lower: (emit, _node, _inputs, { dtype, shape, data }) => emit.constant(dtype, shape, data),
  evaluate: (_, { shape, data }) => ({ shape, data: Float64Array.from(data as ArrayLike<number>, Number) }),
});

/** A value fixed in the graph. Numbers are stored as `dtype`. */
export function constant(values: number | readonly number[] | TypedArray, shape?: Shape, dtype: DType = "float32"): Tensor {
  const list = typeof values === "number" ? [values] : values;
  const data = ArrayBuffer.isView(list) && list instanceof dtypes[dtype].array ? list : fromNumbers(dtype, list as ArrayLike<number>);
  return apply(constantOp, [], { data, shape: shape ?? (typeof values === "number" ? [] : [list.length]), dtype });
}

/** A tensor or a plain number, which becomes a constant of the other operand's type. */
export type Operand = Tensor | number;

export const lift = (value: Operand, dtype: DType): Tensor => (typeof value === "number" ? constant(value, [], dtype) : value);

/** The value of a one-element constant, else undefined. */
export function constantValue(t: Tensor): number | undefined {
  return t.op.name === "constant" && size(t.shape) === 1 && t.dtype !== "float16" ? Number((t.attrs as ConstantAttrs).data[0]) : undefined;
}
