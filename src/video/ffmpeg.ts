/**
 * The one place that starts ffmpeg and ffprobe. They are child processes and never linked: a file that crashes a decoder
 * costs a child, not the worker, and the programs keep their own licence.
 *
 * Input files are hostile until shown otherwise. So every child may open files and pipes only (no network), may use only
 * the container formats of an allow-list (no playlist, which could name other files), gets paths behind `file:` (a name
 * that begins with `-` or looks like a URL stays a name), and is killed when it makes no progress.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { setMaxListeners } from "node:events";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { OrreryError, type ErrorCode } from "../errors.ts";
import { throwIfCancelled } from "../progress.ts";

export type Tool = "ffmpeg" | "ffprobe";

const environmentName = { ffmpeg: "ORRERY_FFMPEG", ffprobe: "ORRERY_FFPROBE" } as const;

/** Video containers that may be opened. Left out on purpose: hls, dash, concat, imf, sdp, image2 patterns, text and raw formats. */
const videoFormats =
  "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,ogg,asf,gif,apng,mxf,nut,dv,wtv,rm,yuv4mpegpipe,mjpeg";
/** Still pictures, each read from one stream of bytes. svg is left out: it can refer to other files. */
const imageFormats =
  "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,ppm_pipe,pgm_pipe,pam_pipe,gif,apng,qoi_pipe,jpegxl_pipe,exr_pipe,psd_pipe,tga_pipe";

/** Most pixels a picture may claim (16384 x 16384): a header of a few bytes must not be able to ask for all memory. */
const maxPixels = 16384 * 16384;
const stderrTailBytes = 16 * 1024;

const found = new Map<string, Promise<string>>();
const living = new Set<ChildProcess>();

/**
 * Path of ffmpeg or ffprobe: `ORRERY_FFMPEG` / `ORRERY_FFPROBE` where set, else the first one on PATH.
 * @throws `missing_dependency` with the command that installs it.
 */
export function locateTool(tool: Tool): Promise<string> {
  const given = process.env[environmentName[tool]];
  const searchPath = process.env["PATH"] ?? "";
  const key = `${tool}\n${given ?? ""}\n${searchPath}`;
  let path = found.get(key);
  if (path === undefined) {
    path = search(tool, given, searchPath);
    found.set(key, path);
    // A failure is not remembered: the user may install the program while a server runs.
    path.catch(() => found.delete(key));
  }
  return path;
}

async function search(tool: Tool, given: string | undefined, searchPath: string): Promise<string> {
  const install = `install it with \`apt-get install ffmpeg\` (or \`npm run setup\`), or set ${environmentName[tool]} to its path`;
  if (given) {
    if (await isExecutable(given)) return given;
    throw new OrreryError("missing_dependency", `${environmentName[tool]} is ${given}, which is not a program that can be run; ${install}`);
  }
  const name = process.platform === "win32" ? `${tool}.exe` : tool;
  for (const folder of searchPath.split(delimiter)) {
    if (folder !== "" && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  throw new OrreryError("missing_dependency", `${tool} is needed to read and write video and was not found on PATH; ${install}`);
}

const isExecutable = (path: string) => access(path, constants.X_OK).then(() => true, () => false);

/** Arguments that open a video file as input number 0, and nothing else that it may refer to. */
export function videoInput(path: string): string[] {
  return [...guarded(videoFormats), "-i", fileUrl(path)];
}

/** Arguments that read one still picture from standard input (so that `%` in a file's name is never a pattern). */
export function imageInput(): string[] {
  return [...guarded(imageFormats), "-i", "pipe:0"];
}

function guarded(formats: string): string[] {
  return ["-protocol_whitelist", "file,pipe", "-format_whitelist", formats, "-max_pixels", String(maxPixels)];
}

/** A path as ffmpeg must be given it: never an option, never another protocol. */
export const fileUrl = (path: string) => `file:${path}`;

export interface ToolExit {
  /** Exit status; null when the child was killed. */
  code: number | null;
  /** The last 16 KiB of what the program said. */
  stderr: string;
}

export interface ToolOptions {
  /** What is being done, for messages: "reading clip.mp4". */
  what: string;
  signal?: AbortSignal | undefined;
  /** Code of the error that a child which hangs ends with. Default `bad_video`. */
  timeoutCode?: ErrorCode;
}

/** A running ffmpeg or ffprobe. Whoever starts one calls `kill()` in a `finally`; on a child that has ended it does nothing. */
export class ToolProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** The child's file descriptor 3: a side channel beside standard output. */
  readonly side: Readable;
  /** The child's file descriptor 4: a second stream of pictures, for readers that ask one decode for two. */
  readonly second: Readable;
  /** Resolves when the child has ended; never rejects. */
  readonly exit: Promise<ToolExit>;
  readonly #child: ChildProcess;
  readonly #options: ToolOptions;

  constructor(path: string, args: string[], options: ToolOptions) {
    this.#options = options;
    // A group of its own: Ctrl-C in a terminal reaches us alone. Were ffmpeg to get it too, it would end its file early and
    // with success, and a cut-off file could be taken for a whole one.
    const child = spawn(path, args, {
      stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
      detached: process.platform !== "win32",
      windowsHide: true,
      env: childEnvironment(),
    });
    this.#child = child;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.side = child.stdio[3] as Readable;
    this.second = child.stdio[4] as Readable;
    // A child that ends early breaks its pipes; its exit status tells why, so the pipe's own error adds nothing.
    for (const stream of this.#streams()) stream.on("error", () => {});

    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-stderrTailBytes);
    });
    if (living.size === 0) process.once("exit", killAll);
    living.add(child);
    const onAbort = () => this.kill();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.exit = new Promise((resolve) => {
      const ended = (code: number | null) => {
        options.signal?.removeEventListener("abort", onAbort);
        living.delete(child);
        if (living.size === 0) process.removeListener("exit", killAll);
        resolve({ code, stderr: stderr.trim() });
      };
      child.once("close", ended);
      child.once("error", (error) => {
        stderr += String(error);
        ended(null);
      });
    });
  }

  #streams(): (Readable | Writable)[] {
    return [this.stdin, this.stdout, this.side, this.second];
  }

  kill(): void {
    this.#child.kill("SIGKILL");
    for (const stream of this.#streams()) stream.destroy();
  }

  /** Waits for something this child must do within `seconds`; past that it is killed and the wait throws. */
  async within<T>(work: Promise<T>, seconds: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.kill();
        const { what, timeoutCode = "bad_video" } = this.#options;
        reject(new OrreryError(timeoutCode, `${what} was stopped: no progress in ${seconds} s; the file may be damaged or the machine overloaded, try again with a longer timeoutS`));
      }, seconds * 1000);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function killAll(): void {
  for (const child of living) child.kill("SIGKILL");
}

/** Ours, less what would make the programs write logs of their own or colour their messages. */
function childEnvironment(): NodeJS.ProcessEnv {
  const { FFREPORT: _report, AV_LOG_FORCE_COLOR: _colour, ...rest } = process.env;
  return { ...rest, AV_LOG_FORCE_NOCOLOR: "1", LC_ALL: "C" };
}

/** Starts a tool with its pipes open; the caller reads, writes and ends it. */
export async function startTool(tool: Tool, args: string[], options: ToolOptions): Promise<ToolProcess> {
  throwIfCancelled(options.signal, options.what);
  // One signal stops any number of children at once; Node would print a warning at the eleventh.
  if (options.signal !== undefined) setMaxListeners(0, options.signal);
  const path = await locateTool(tool);
  const quiet = tool === "ffmpeg" ? ["-hide_banner", "-v", "error", "-nostdin"] : ["-hide_banner", "-v", "error"];
  return new ToolProcess(path, [...quiet, ...args], options);
}

/**
 * Runs a tool to its end and returns what it printed, whatever its exit status.
 * @throws `cancelled`, or `options.timeoutCode` after `timeoutS` seconds (default 60) or past `maxOutputBytes` (default 256 MiB).
 */
export async function runTool(
  tool: Tool,
  args: string[],
  options: ToolOptions & { timeoutS?: number; input?: Uint8Array; maxOutputBytes?: number },
): Promise<ToolExit & { stdout: Buffer }> {
  const child = await startTool(tool, args, options);
  try {
    child.side.resume();
    child.stdin.end(options.input ?? new Uint8Array());
    const whole = Promise.all([collect(child.stdout, options), child.exit]);
    const [stdout, exit] = await child.within(whole, options.timeoutS ?? 60);
    throwIfCancelled(options.signal, options.what);
    return { ...exit, stdout };
  } catch (error) {
    throwIfCancelled(options.signal, options.what);
    throw error;
  } finally {
    child.kill();
  }
}

async function collect(stream: Readable, { what, timeoutCode = "bad_video", maxOutputBytes = 2 ** 28 }: ToolOptions & { maxOutputBytes?: number }): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxOutputBytes) throw new OrreryError(timeoutCode, `${what} was stopped: it gives more than ${maxOutputBytes} bytes; use a smaller file or a smaller size`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** What ffmpeg says in the wake of the real reason. */
const aftermath = /^(Error (initializing|while|marking|opening)|Conversion failed|Failed to inject|Last message repeated)/;

/** The line of a tool's complaint that tells most, without its `[demuxer @ 0x…]` prefixes: short enough for an error message. */
export function lastComplaint(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.replace(/^(\[[^\]]*\]:?\s*)+/, "").trim()).filter((line) => line !== "");
  return lines.filter((line) => !aftermath.test(line)).at(-1) ?? lines.at(-1) ?? "ffmpeg gave no reason";
}
