/**
 * Writes a graph as an ONNX model. Opset 17 and decomposed operators, so that the same graph runs on every provider; the
 * fused operators of `com.microsoft` appear only where the target has them. Types and encoding come from the generated
 * binding of onnx.proto in `gen/`.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { dtypes, type DType, type TypedArray } from "../dtype.ts";
import type { Emitter, OnnxAttrs, Target, Tensor } from "../graph.ts";
import type { Shape } from "../shape.ts";
import {
  AttributeProto_AttributeType as AttrType,
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./gen/onnx_pb.ts";

/** A weight that stays in the file it came in: little-endian elements at `offset` of the file named `location`. */
export interface ExternalWeight {
  /** File name relative to the folder that the runtime is told. */
  location: string;
  offset: number;
  length: number;
  /** How it is stored; anything but the input's own type is cast when the model is loaded. */
  dtype: DType | "bfloat16";
}

/** What becomes of a graph input that is not fed: its value, or where it lies. */
export type Weight = TypedArray | ExternalWeight;

interface Draft {
  type: string;
  domain: string;
  inputs: readonly string[];
  outputs: string[];
  attrs: OnnxAttrs;
}

const bfloat16 = 16;

const bytesOf = (data: TypedArray): Uint8Array => new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);

/** A short key for small constants, so that equal ones are stored once. */
const fingerprint = (dtype: DType, shape: Shape, data: TypedArray): string | undefined =>
  data.length <= 64 || data.every((v) => v === data[0]) ? `${dtype} ${shape.join()} ${data.length <= 64 ? data.join() : `${data[0]} x${data.length}`}` : undefined;

export class OnnxWriter implements Emitter {
  readonly target: Target;
  private readonly drafts: Draft[] = [];
  private readonly initializers: TensorProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outputs: ValueInfoProto[] = [];
  private readonly constants = new Map<string, string>();
  private readonly sharedNodes = new Map<string, string[]>();
  private readonly renamed = new Map<string, string>();
  private readonly produced = new Set<string>();
  private count = 0;

  constructor(target: Target) {
    this.target = target;
  }

  node(type: string, inputs: readonly string[], attrs: OnnxAttrs = {}, domain = ""): string {
    return this.nodes(type, inputs, 1, attrs, domain)[0]!;
  }

  nodes(type: string, inputs: readonly string[], outputs: number, attrs: OnnxAttrs = {}, domain = ""): string[] {
    const names = Array.from({ length: outputs }, () => `t${this.count++}`);
    for (const name of names) this.produced.add(name);
    this.drafts.push({ type, domain, inputs, outputs: names, attrs });
    return names;
  }

  constant(dtype: DType, shape: Shape, data: TypedArray): string {
    const key = fingerprint(dtype, shape, data);
    const known = key && this.constants.get(key);
    if (known) return known;
    const name = `c${this.count++}`;
    this.initializers.push(create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: dtypes[dtype].onnx, rawData: bytesOf(data) as Uint8Array<ArrayBuffer> }));
    if (key) this.constants.set(key, name);
    return name;
  }

  ints(values: readonly number[]): string {
    return this.constant("int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  shared(key: string, make: () => string[]): string[] {
    const known = this.sharedNodes.get(key);
    if (known) return known;
    const made = make();
    this.sharedNodes.set(key, made);
    return made;
  }

  /** Declares a graph input; with a weight it becomes an initializer, cast if it is stored as another type. */
  input(name: string, node: Tensor, weight: Weight | undefined): string {
    if (!weight) {
      this.inputs.push(valueInfo(name, node));
      return name;
    }
    const dims = node.shape.map(BigInt);
    if (ArrayBuffer.isView(weight)) {
      this.initializers.push(create(TensorProtoSchema, { name, dims, dataType: dtypes[node.dtype].onnx, rawData: bytesOf(weight) as Uint8Array<ArrayBuffer> }));
      return name;
    }
    const stored = weight.dtype === "bfloat16" ? bfloat16 : dtypes[weight.dtype].onnx;
    const entry = (key: string, value: string | number): { key: string; value: string } => ({ key, value: String(value) });
    this.initializers.push(
      create(TensorProtoSchema, {
        name,
        dims,
        dataType: stored,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: [entry("location", weight.location), entry("offset", weight.offset), entry("length", weight.length)],
      }),
    );
    return weight.dtype === node.dtype ? name : this.node("Cast", [name], { to: dtypes[node.dtype].onnx });
  }

  /** Declares a graph output. The value takes the output's name where it can; else it is copied under it. */
  output(name: string, value: string, node: Tensor): void {
    if (this.produced.has(value) && !this.renamed.has(value)) this.renamed.set(value, name);
    else this.drafts.push({ type: "Identity", domain: "", inputs: [value], outputs: [name], attrs: {} });
    this.outputs.push(valueInfo(name, node));
  }

  /** The model as bytes of `ModelProto`. */
  finish(): Uint8Array {
    const name = (value: string): string => this.renamed.get(value) ?? value;
    const nodes: NodeProto[] = this.drafts.map((d) =>
      create(NodeProtoSchema, { opType: d.type, domain: d.domain, input: d.inputs.map(name), output: d.outputs.map(name), attribute: attributes(d.attrs) }),
    );
    const model = create(ModelProtoSchema, {
      irVersion: 8n,
      producerName: "orrery",
      opsetImport: [
        { domain: "", version: 17n },
        { domain: "com.microsoft", version: 1n },
      ],
      graph: { name: "orrery", node: nodes, initializer: this.initializers, input: this.inputs, output: this.outputs },
    });
    return toBinary(ModelProtoSchema, model);
  }
}

const valueInfo = (name: string, { dtype, shape }: Tensor): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: dtypes[dtype].onnx, shape: { dim: shape.map((d) => ({ value: { case: "dimValue" as const, value: BigInt(d) } })) } } } },
  });

function attributes(attrs: OnnxAttrs): AttributeProto[] {
  return Object.entries(attrs).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (typeof value === "number") return [create(AttributeProtoSchema, { name, type: AttrType.INT, i: BigInt(value) })];
    if (typeof value === "string") return [create(AttributeProtoSchema, { name, type: AttrType.STRING, s: new TextEncoder().encode(value) })];
    if ("float" in value) return [create(AttributeProtoSchema, { name, type: AttrType.FLOAT, f: value.float })];
    if ("floats" in value) return [create(AttributeProtoSchema, { name, type: AttrType.FLOATS, floats: [...value.floats] })];
    return [create(AttributeProtoSchema, { name, type: AttrType.INTS, ints: value.map(BigInt) })];
  });
}
