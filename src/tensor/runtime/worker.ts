/** The thread that runs onnxruntime-node for `node.ts`: one message in, one answer out. */
import { parentPort } from "node:worker_threads";
import { OrreryError, type ErrorCode } from "../../errors.ts";
import type { TypedArray } from "../dtype.ts";
import type { Program } from "../compile.ts";
import { type OrtModule, ortRuntime } from "./ort.ts";
import type { Device, Executable, HostTensor, LoadOptions, Runtime } from "./runtime.ts";

export type Request = { call: number } & (
  | { kind: "open"; device: Device; threads: number }
  | { kind: "load"; id: number; program: Program; options: LoadOptions }
  | { kind: "run"; id: number; feeds: Readonly<Record<string, HostTensor>> }
  | { kind: "readState"; id: number; names: readonly string[] | undefined }
  | { kind: "writeState"; id: number; values: Readonly<Record<string, TypedArray>> }
  | { kind: "release"; id: number }
);

export interface Reply {
  call: number;
  value?: unknown;
  error?: { message: string; code?: ErrorCode };
}

let runtime: Runtime | undefined;
const executables = new Map<number, Executable>();

async function open(device: Device, threads: number): Promise<void> {
  let ort: OrtModule & { listSupportedBackends(): { name: string; bundled: boolean }[] };
  try {
    ort = (await import("onnxruntime-node")) as never;
  } catch (cause) {
    throw new OrreryError("missing_dependency", `onnxruntime-node does not load on ${process.platform}-${process.arch}: ${(cause as Error).message}; run "npm run setup"`, { cause });
  }
  const backend = ort.listSupportedBackends().find((b) => b.name === device);
  if (!backend) throw new OrreryError("missing_dependency", `onnxruntime-node has no ${device} provider on ${process.platform}-${process.arch}; use --device cpu`);
  runtime = ortRuntime(ort, { device, threads, provider: device, preallocate: device !== "webgpu", adopt: true });
  if (device !== "cpu") await probe(runtime, device);
}

/** Tries the smallest program: a provider that is listed may still lack its libraries or a graphics adapter. */
async function probe(candidate: Runtime, device: Device): Promise<void> {
  const needs = {
    webgpu: "a Vulkan driver (for instance Mesa 25 or newer, or your GPU's own) that offers a WebGPU adapter",
    cuda: "an NVIDIA driver, CUDA 12, cuDNN 9, and ONNX Runtime's CUDA provider library (libonnxruntime_providers_cuda.so) beside onnxruntime-node's",
    cpu: "",
  }[device];
  const { compile } = await import("../compile.ts");
  const { input } = await import("../graph.ts");
  const { add } = await import("../ops/elementwise.ts");
  try {
    const program = compile({ outputs: { y: add(input("x", [2]), 1) }, target: device });
    const exe = await candidate.load(program);
    await exe.run({ x: { dtype: "float32", shape: [2], data: new Float32Array(2) } });
    await exe.release();
  } catch (cause) {
    throw new OrreryError("missing_dependency", `--device ${device} cannot be used here (${(cause as Error).message.split("\n")[0]}). It needs ${needs}; or use --device cpu`, { cause });
  }
}

function executable(id: number): Executable {
  const found = executables.get(id);
  if (!found) throw new Error("this program has been released");
  return found;
}

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case "open":
      return open(request.device, request.threads);
    case "load":
      executables.set(request.id, await runtime!.load(request.program, request.options));
      return undefined;
    case "run":
      return executable(request.id).run(request.feeds);
    case "readState":
      return executable(request.id).readState(request.names);
    case "writeState":
      return executable(request.id).writeState(request.values);
    case "release":
      await executable(request.id).release();
      executables.delete(request.id);
      return undefined;
    default:
      return request satisfies never;
  }
}

parentPort!.on("message", (request: Request) => {
  answer(request).then(
    (value) => parentPort!.postMessage({ call: request.call, value } satisfies Reply),
    (error: unknown) =>
      parentPort!.postMessage({
        call: request.call,
        error: { message: error instanceof Error ? error.message : String(error), ...(error instanceof OrreryError ? { code: error.code } : {}) },
      } satisfies Reply),
  );
});
