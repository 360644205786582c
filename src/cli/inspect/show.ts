/** What was found at a path, in words and columns. */
import type { Output } from "../output.ts";
import { clock, quantity } from "../progress-bar.ts";
import type { TensorLine, WeightsSummary } from "./checkpoint.ts";
import type { Report } from "./inspect.ts";

type Row = [string, string];

const bytes = (n: number): string => quantity(n, "bytes");
const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** 7,012,345 as "7.01 M". */
export function count(n: number): string {
  const [factor, unit] = n >= 1e9 ? [1e9, " B"] : n >= 1e6 ? [1e6, " M"] : n >= 1e4 ? [1e3, " k"] : [1, ""];
  return factor === 1 ? String(n) : `${(n / factor).toPrecision(3)}${unit}`;
}

/** Values of a configuration, one a line; lists longer than a line is wide are cut. */
function configRows(config: Readonly<Record<string, unknown>>): Row[] {
  return Object.entries(config).filter(([key]) => !key.startsWith("_")).map(([key, value]): Row => {
    const text = plain(value);
    return [`  ${key}`, text.length > 80 ? `${text.slice(0, 77)}...` : text];
  });
}

function weightRows({ format, naming, tensorCount, parameters, bytes: size, dtypes }: WeightsSummary): Row[] {
  const types = Object.entries(dtypes).sort(([, a], [, b]) => b - a).map(([dtype, n]) => (Object.keys(dtypes).length === 1 ? dtype : `${dtype} (${bytes(n)})`));
  return [["format", format], ["names", naming ?? "of no known model"], ["tensors", String(tensorCount)], ["parameters", `${count(parameters)} (${parameters})`], ["size", bytes(size)], ["dtype", types.join(", ") || "none"]];
}

function showTensors(output: Output, tensors: readonly TensorLine[], limit: number): void {
  output.table([["tensor", "dtype", "shape", "bytes"], ...tensors.slice(0, limit).map(({ name, dtype, shape, bytes: n }) => [name, dtype, shape.length > 0 ? shape.join("x") : "scalar", n])]);
  if (tensors.length > limit) output.text(`… and ${tensors.length - limit} more; --tensors PATTERN lists those that match, --limit N more of them`);
}

const optionalRow = (name: string, value: unknown): Row[] => (value === undefined ? [] : [[name, plain(value)]]);

/** Prints a report, with at most `limit` tensors. */
export function show(report: Report, output: Output, limit: number): void {
  const heading = (what: string): void => output.text(output.style.bold(`${report.path}: ${what}`));
  switch (report.kind) {
    case "checkpoint": {
      heading("a checkpoint");
      output.table([...weightRows(report), ...Object.entries(report.metadata).map(([k, v]): Row => [`  ${k}`, v.length > 80 ? `${v.slice(0, 77)}...` : v])]);
      output.text();
      showTensors(output, report.tensors, limit);
      break;
    }
    case "model": {
      heading(`a model${report.className ? `, ${report.className}` : ""}`);
      const { tokenizer: t, weights } = report;
      output.table([
        ...(t ? ([["tokenizer", `${t.coding}, ${t.temporal}x${t.spatial}x${t.spatial}, ${t.latentChannels} ${t.coding === "discrete" ? "levels" : "channels"}`]] as Row[]) : []),
        ...(weights ? weightRows(weights) : []),
        ["licence", report.license ?? "not said"],
        ...(report.problems.map((p) => ["problem", output.style.bad(p)]) as Row[]),
        ["configuration", ""],
        ...configRows(report.config),
      ]);
      if (report.tensors) {
        output.text();
        showTensors(output, report.tensors, limit);
      }
      break;
    }
    case "pipeline": {
      heading(`a pipeline${report.className ? `, ${report.className}` : ""}`);
      output.text(`licence  ${report.license ?? "not said"}`);
      output.table([
        ["component", "class", "parameters", "size", "dtype"],
        ...report.components.map(({ name, className, report: r, problem }) => {
          const wrong = problem ?? r?.problems[0];
          if (!r?.weights) return [name, className, wrong ? output.style.bad(wrong) : "no weights"];
          return [name, className, count(r.weights.parameters), bytes(r.weights.bytes), Object.keys(r.weights.dtypes).join(", "), ...(wrong ? [output.style.bad(wrong)] : [])];
        }),
      ]);
      break;
    }
    case "run": {
      heading(`a training run${report.className ? ` of ${report.className}` : ""}`);
      const latest = report.checkpoints.find((c) => c.latest);
      output.table([
        ["step", `${report.step ?? "none saved"}${report.steps === undefined ? "" : ` of ${report.steps}`}`],
        ["checkpoints", `${report.checkpoints.length}${latest ? `, the newest ${latest.name} (${bytes(latest.bytes)})` : ""}`],
        ["samples", `${report.samples.length}${report.samples.length > 0 ? `, the last ${report.samples.at(-1)!}` : ""}`],
        ["last figures", report.metrics ? "" : "none"],
        ...Object.entries(report.metrics ?? {}).map(([k, v]): Row => [`  ${k}`, String(Number(v.toPrecision(5)))]),
        ["settings", ""],
        ...configRows(report.settings),
      ]);
      break;
    }
    case "latents": {
      const { kind: _kind, path: _path, shape, bytes: size, frames, width, height, fps, ...rest } = report;
      heading(`a video's latents`);
      output.table([["tensor", `${report.dtype} ${shape.join("x")}, ${bytes(size)}`], ["video", `${String(frames)} frames of ${String(width)} x ${String(height)} at ${String(fps)} fps`], ...Object.entries(rest).filter(([k]) => k !== "dtype").map(([k, v]): Row => [k, plain(v)])]);
      break;
    }
    case "video": {
      const { width, height, codedWidth, codedHeight } = report;
      heading("a video");
      output.table([
        ["size", `${width} x ${height}${width === codedWidth && height === codedHeight ? "" : ` (stored ${codedWidth} x ${codedHeight}, turned by ${report.rotation} degrees, pixels ${report.sampleAspectRatio.toFixed(3)} wide)`}`],
        ["duration", `${clock(report.durationS)} (${report.durationS.toFixed(3)} s)`],
        ["frames", `${report.frameCount ?? "not said"} at ${Number(report.fps.toFixed(3))} fps${report.isVariableFrameRate ? ", variable" : ""}`],
        ["codec", `${report.codec}, ${report.pixelFormat}, ${report.bitDepth} bit`],
        ["container", report.container],
        ...optionalRow("colour", [report.colorSpace, report.colorPrimaries, report.colorTransfer, report.colorRange].filter(Boolean).join(", ") || undefined),
        ["HDR", report.isHdr ? "yes" : "no"],
        ["audio", report.hasAudio ? "yes" : "no"],
        ["file", bytes(report.sizeBytes)],
      ]);
      break;
    }
    default:
      report satisfies never;
  }
}
