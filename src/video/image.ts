/** Still pictures: PNG out (written here, Node's zlib does the work), any common format in (through ffmpeg). */
import { readFile } from "node:fs/promises";
import { crc32, deflateSync } from "node:zlib";
import { OrreryError, fromSystemError } from "../errors.ts";
import type { Picture } from "./clip.ts";
import { imageInput, lastComplaint, runTool } from "./ffmpeg.ts";
import type { SizeOptions } from "./filters.ts";
import { writeFileAtomic } from "../partial-file.ts";

/** A PNG file of RGB bytes `[H, W, 3]`. The same picture gives the same file. */
export function encodePng({ pixels, width, height }: Picture): Uint8Array {
  const stride = width * 3;
  if (pixels.length !== stride * height || pixels.length === 0)
    throw new OrreryError("bad_argument", `a picture of ${width} x ${height} RGB has ${stride * height} bytes; ${pixels.length} were given`);
  // Every row predicts each byte from the left, upper and upper-left one (the Paeth filter), which suits photographs.
  const filtered = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    const out = y * (stride + 1);
    filtered[out] = 4;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= 3 ? pixels[at - 3]! : 0;
      const up = y > 0 ? pixels[at - stride]! : 0;
      const corner = x >= 3 && y > 0 ? pixels[at - stride - 3]! : 0;
      const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
      const guess = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
      filtered[out + 1 + x] = pixels[at]! - guess;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, deflate, adaptive filters, not interlaced
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, pngChunk("IHDR", header), pngChunk("IDAT", deflateSync(filtered)), pngChunk("IEND", Buffer.alloc(0))]);
}

function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/** Writes a PNG file; it appears whole or not at all. @throws `file_not_found` (folder), `io_failed`, `disk_full`. */
export async function writePng(path: string, picture: Picture): Promise<void> {
  await writeFileAtomic(path, encodePng(picture));
}

/**
 * Reads a still picture (PNG, JPEG, WebP, BMP, TIFF, GIF, …) as RGB, scaled as `readFrames` scales. Transparency is
 * dropped, and of an animation the first frame is taken.
 * @throws `file_not_found`, `io_failed`, `bad_video` (not a picture, or damaged), `bad_argument`, `missing_dependency`.
 */
export async function readImage(path: string, options: SizeOptions & { signal?: AbortSignal | undefined } = {}): Promise<Picture> {
  const input = await readFile(path).catch((error: unknown) => {
    throw fromSystemError(error, path);
  });
  if (input.length === 0) throw new OrreryError("bad_video", `${path} is empty (0 bytes); a picture was expected`);
  const { code, stdout, stderr } = await runTool(
    "ffmpeg",
    [...imageInput(), "-map", "0:v:0", "-frames:v", "1", "-vf", sizeFilters(options), "-f", "image2pipe", "-c:v", "ppm", "pipe:1"],
    { what: `reading ${path}`, signal: options.signal, input, maxOutputBytes: 2 ** 30 },
  );
  // A PPM tells its size in the first line: "P6\n640 480\n255\n", then the bytes.
  const header = /^P6\n(\d+) (\d+)\n255\n/.exec(stdout.subarray(0, 40).toString("latin1"));
  const [width, height] = [Number(header?.[1] ?? 0), Number(header?.[2] ?? 0)];
  const pixels = new Uint8Array(stdout.subarray(header?.[0].length ?? 0));
  if (code !== 0 || header === null || pixels.length !== width * height * 3)
    throw new OrreryError("bad_video", `${path} cannot be read as a picture: ${lastComplaint(stderr)}; give a PNG, JPEG, WebP, BMP, TIFF or GIF file`);
  return { pixels, width, height };
}

function sizeFilters({ width, height, fit = "cover" }: SizeOptions): string {
  for (const side of [width, height]) {
    if (side !== undefined && !(Number.isInteger(side) && side >= 1 && side <= 16384))
      throw new OrreryError("bad_argument", `a picture size of ${side} was given; expected a whole number of pixels from 1 to 16384`);
  }
  const flags = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact";
  const scale = `scale=${width ?? (height === undefined ? "iw" : -1)}:${height ?? (width === undefined ? "ih" : -1)}:${flags}`;
  const exact = width !== undefined && height !== undefined;
  if (!exact || fit === "stretch") return `${scale},format=rgb24`;
  if (fit === "cover") return `${scale}:force_original_aspect_ratio=increase,format=rgb24,crop=${width}:${height}`;
  return `${scale}:force_original_aspect_ratio=decrease,format=rgb24,pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2:black`;
}
