/**
 * ONNX models that others made, as programs of ours: their inputs and outputs are read from the file, axes that it leaves open
 * are set. What the graph computes is ONNX Runtime's to check.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { Program, ValueSpec } from "../compile.ts";
import { dtypes, type DType } from "../dtype.ts";
import type { Target } from "../graph.ts";
import { ModelProtoSchema, type ValueInfoProto } from "./gen/onnx_pb.ts";

/** A value of a foreign model: -1 for an axis that may have any size. */
export interface ForeignValue {
  name: string;
  dtype: DType;
  shape: number[];
}

export interface ForeignModel {
  inputs: ForeignValue[];
  outputs: ForeignValue[];
  /** The program for these sizes of its inputs; sizes of outputs come with the answers. */
  program(shapes: Readonly<Record<string, readonly number[]>>, target?: Target): Program;
}

const dtypeOf = new Map(Object.entries(dtypes).map(([name, { onnx }]) => [onnx, name as DType]));

/** @throws `TypeError` for bytes that are no ONNX model, or a value that is no tensor of a type that is known here. */
export function readForeignModel(model: Uint8Array): ForeignModel {
  let graph;
  try {
    ({ graph } = fromBinary(ModelProtoSchema, model));
  } catch (cause) {
    throw new TypeError(`it is not an ONNX model (${(cause as Error).message})`, { cause });
  }
  if (!graph || graph.output.length === 0) throw new TypeError("it is not an ONNX model, or one without outputs");
  // Old files list their weights among the inputs.
  const weights = new Set(graph.initializer.map((t) => t.name));
  const inputs = graph.input.filter((v) => !weights.has(v.name)).map(valueOf);
  const outputs = graph.output.map(valueOf);
  return {
    inputs,
    outputs,
    program: (shapes, target = "cpu") => ({
      target, model, inPlace: {},
      inputs: inputs.map(({ name, dtype, shape }): ValueSpec => ({ name, dtype, shape: shapes[name] ?? shape })),
      outputs: outputs.map(({ name, dtype, shape }): ValueSpec => ({ name, dtype, shape })),
    }),
  };
}

function valueOf({ name, type }: ValueInfoProto): ForeignValue {
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  const dtype = dtypeOf.get(tensor?.elemType ?? 0);
  if (!tensor || !dtype) throw new TypeError(`its value "${name}" is no tensor of a known type (ONNX type ${tensor?.elemType ?? "none"})`);
  return { name, dtype, shape: (tensor.shape?.dim ?? []).map(({ value }) => (value.case === "dimValue" && value.value > 0n ? Number(value.value) : -1)) };
}
