/**
 * A clip: some seconds of frames in memory, as bytes at the edge of the house and as a tensor inside it. The two
 * conversions are the Cosmos tokenizer's own, so that a clip tokenized here and in Python starts from the same numbers.
 */
import { OrreryError } from "../errors.ts";

/** One RGB picture. */
export interface Picture {
  /** RGB bytes, `[H, W, 3]`, row by row from the top left. */
  pixels: Uint8Array;
  width: number;
  height: number;
}

export interface Clip {
  /** RGB bytes, `[T, H, W, 3]`. */
  frames: Uint8Array;
  width: number;
  height: number;
  frameCount: number;
  /** Frames per second; the average where the file had a variable rate and was read without `fps`. */
  fps: number;
  /** The file ended before its header said; `frames` holds what was there. */
  truncated?: boolean;
}

/** Makes a clip of bytes that are there already, after checking that they are as many as the sizes say. */
export function makeClip(frames: Uint8Array, width: number, height: number, fps: number): Clip {
  const frameBytes = width * height * 3;
  if (!(width > 0 && height > 0 && Number.isInteger(width) && Number.isInteger(height)))
    throw new OrreryError("bad_argument", `a clip of ${width} x ${height} was asked for; width and height must be whole numbers above 0`);
  if (!(fps > 0 && Number.isFinite(fps))) throw new OrreryError("bad_argument", `a clip at ${fps} frames per second was asked for; give a number above 0`);
  if (frames.length === 0 || frames.length % frameBytes !== 0)
    throw new OrreryError("bad_argument", `${frames.length} bytes are not a whole number of ${width} x ${height} RGB frames of ${frameBytes} bytes each`);
  return { frames, width, height, frameCount: frames.length / frameBytes, fps };
}

/** Frame `index` (0-based) of a clip, sharing its memory. */
export function frameAt(clip: Clip, index: number): Picture {
  if (!(Number.isInteger(index) && index >= 0 && index < clip.frameCount))
    throw new OrreryError("bad_argument", `frame ${index} was asked of a clip with frames 0 to ${clip.frameCount - 1}`);
  const size = clip.width * clip.height * 3;
  return { pixels: clip.frames.subarray(index * size, (index + 1) * size), width: clip.width, height: clip.height };
}

/** Frames `first` to `last` (0-based, both included) as a clip that shares the memory of this one. */
export function sliceClip(clip: Clip, first: number, last: number): Clip {
  if (!(Number.isInteger(first) && Number.isInteger(last) && first >= 0 && first <= last && last < clip.frameCount))
    throw new OrreryError("bad_argument", `frames ${first} to ${last} were asked of a clip with frames 0 to ${clip.frameCount - 1}`);
  const size = clip.width * clip.height * 3;
  return { frames: clip.frames.subarray(first * size, (last + 1) * size), width: clip.width, height: clip.height, frameCount: last - first + 1, fps: clip.fps };
}

/** `[T, H, W, 3]` bytes to a `[1, 3, T, H, W]` tensor in -1..1: `2 * u8 / 255 - 1`. */
export function toTensor(clip: Clip): Float32Array {
  const { frames, frameCount } = clip;
  const area = clip.width * clip.height;
  const plane = frameCount * area;
  if (frames.length !== plane * 3) throw new OrreryError("bad_argument", `a clip of ${frameCount} x ${clip.height} x ${clip.width} x 3 has ${plane * 3} bytes; this one has ${frames.length}`);
  const data = new Float32Array(plane * 3);
  const values = Float32Array.from({ length: 256 }, (_, byte) => (2 * byte) / 255 - 1);
  for (let i = 0, at = 0; i < plane; i++, at += 3) {
    data[i] = values[frames[at]!]!;
    data[plane + i] = values[frames[at + 1]!]!;
    data[2 * plane + i] = values[frames[at + 2]!]!;
  }
  return data;
}

/**
 * A `[1, 3, T, H, W]` tensor in -1..1 to bytes, as the Cosmos tokenizer writes them:
 * `floor(clamp((x + 1) / 2, 0, 1) * 255 + 0.5)`. Undoes `toTensor` exactly; values outside -1..1 are clamped.
 * @throws `bad_argument` for another shape, `diverged` for a value that is not a number.
 */
export function fromTensor(data: Float32Array, shape: readonly number[], fps: number): Clip {
  const [batch, channels, frameCount = 0, height = 0, width = 0] = shape;
  const plane = frameCount * height * width;
  if (shape.length !== 5 || batch !== 1 || channels !== 3 || data.length !== plane * 3)
    throw new OrreryError("bad_argument", `a tensor [1, 3, T, H, W] was expected; [${shape.join(", ")}] with ${data.length} values was given`);
  const frames = new Uint8Array(plane * 3);
  for (let channel = 0; channel < 3; channel++) {
    const base = channel * plane;
    for (let i = 0; i < plane; i++) {
      const value = data[base + i]!;
      if (Number.isNaN(value)) throw new OrreryError("diverged", `the video tensor has a value that is not a number (channel ${channel}, frame ${Math.floor(i / (height * width))}); the model or its weights are broken`);
      frames[i * 3 + channel] = Math.min(Math.max((value + 1) / 2, 0), 1) * 255 + 0.5;
    }
  }
  return makeClip(frames, width, height, fps);
}
