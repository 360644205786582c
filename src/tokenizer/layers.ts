/**
 * Layers of the video tokenizer (diffusers `autoencoder_kl_cosmos.py`; cosmos-predict1 `tokenizer/modules/layers3d.py`).
 *
 * Frames are folded into the batch: a clip is [B T, C, H, W] throughout. A 1x3x3 convolution is then a 2-D one, a GroupNorm
 * per frame is a plain GroupNorm, spatial attention needs no transpose. A 3x1x1 convolution picks, for every output frame, the
 * three frames it reads (one matrix product with a table of zeros and ones, whose gradient is another such product) and is a
 * 1x1 convolution of their stacked channels. Padding, striding and doubling of time are only different tables.
 */
import { attention, fanIn, groupNorm, type Scope } from "../nn/index.ts";
import { add, constant, conv, matmul, mul, reshape, resize, silu, sliceAxis, softmax, transpose, type Tensor } from "../tensor/index.ts";
import type { Names } from "./names.ts";
import type { Resample } from "./plan.ts";

/** `x` is [batch * frames, C, H, W]. */
export interface Clip {
  x: Tensor;
  batch: number;
  frames: number;
}

const channelsOf = ({ x }: Clip): number => x.shape[1]!;
const over = (clip: Clip, f: (x: Tensor) => Tensor): Clip => ({ ...clip, x: f(clip.x) });

/** `weight` plus the identity times `taps`, kernel tap by kernel tap: a convolution that also passes its input on. */
function plusIdentity(weight: Tensor, taps: readonly number[]): Tensor {
  const [channels, , ...kernel] = weight.shape as [number, number, ...number[]];
  const eye = new Float32Array(channels * channels);
  for (let c = 0; c < channels; c++) eye[c * channels + c] = 1;
  const ones = kernel.map(() => 1);
  return add(weight, mul(constant(eye, [channels, channels, ...ones]), constant(taps, [1, 1, ...kernel])));
}

interface SpatialOptions {
  /** Halves the picture, reading one row and column of zeros beyond its end; otherwise zeros surround it. */
  stride?: 1 | 2;
  /** What is added of the input, by kernel tap. */
  pass?: readonly number[];
}

/** 1x3x3 convolution; `weight` [out, C, 1, 3, 3]. */
export function spatialConv(p: Scope, clip: Clip, out: number, { stride = 1, pass }: SpatialOptions = {}): Clip {
  const channels = channelsOf(clip);
  const init = fanIn(channels * 9);
  const weight = reshape(p.param("weight", [out, channels, 1, 3, 3], init), [out, channels, 3, 3]);
  const bias = p.param("bias", [out], init);
  const before = stride === 1 ? 1 : 0;
  return over(clip, (x) => conv(x, pass ? plusIdentity(weight, pass) : weight, { strides: [stride, stride], before, after: 1, bias }));
}

/** 1x1x1 convolution; `weight` [out, C, 1, 1, 1]. */
export function pointConv(p: Scope, clip: Clip, out: number): Clip {
  const channels = channelsOf(clip);
  const init = fanIn(channels);
  const weight = reshape(p.param("weight", [out, channels, 1, 1, 1], init), [out, channels, 1, 1]);
  return over(clip, (x) => conv(x, weight, { bias: p.param("bias", [out], init) }));
}

/** The frames that three taps read for each output frame, the first frame standing for those before it. */
const taps = (frames: number, at: (output: number, tap: number) => number): number[][] =>
  Array.from({ length: frames }, (_, i) => [0, 1, 2].map((k) => at(i, k)));

const causal = (frames: number): number[][] => taps(frames, (i, k) => Math.max(0, i + k - 2));
/** Stride 2, one more copy of the first frame in front. */
const halving = (frames: number): number[][] => taps(Math.floor((frames - 1) / 2) + 1, (i, k) => Math.max(0, 2 * i + k - 2));
/** Every frame but the first twice, then as `causal`. */
const doubling = (frames: number): number[][] => taps(2 * frames - 1, (i, k) => Math.ceil(Math.max(0, i + k - 2) / 2));

/** 3x1x1 convolution that reads the frames of `table`; `weight` [out, C, 3, 1, 1]; `pass` as in `spatialConv`. */
export function temporalConv(p: Scope, clip: Clip, table: readonly (readonly number[])[] = causal(clip.frames), pass?: readonly number[]): Clip {
  const { x, batch, frames } = clip;
  const [, channels, h, w] = x.shape as [number, number, number, number];
  const init = fanIn(channels * 3);
  const declared = p.param("weight", [channels, channels, 3, 1, 1], init);
  const bias = p.param("bias", [channels], init);
  const byTap = transpose(reshape(pass ? plusIdentity(declared, pass) : declared, [channels, channels, 3]), [0, 2, 1]);
  const count = table.length;
  if (frames === 1) {
    // All taps read the one frame, so they act as their sum: one product instead of three.
    const part = (k: number): Tensor => reshape(sliceAxis(byTap, 1, k, k + 1), [channels, channels, 1, 1]);
    return over(clip, () => conv(x, add(add(part(0), part(1)), part(2)), { bias }));
  }
  const pick = new Float32Array(count * 3 * frames);
  table.flat().forEach((frame, row) => (pick[row * frames + frame] = 1));
  const picked = matmul(constant(pick, [count * 3, frames]), reshape(x, [batch, frames, channels * h * w]));
  const y = conv(reshape(picked, [batch * count, 3 * channels, h, w]), reshape(byTap, [channels, 3 * channels, 1, 1]), { bias });
  return { x: y, batch, frames: count };
}

/** A spatial convolution and a causal temporal one. */
export const pairConv = (p: Scope, names: Names, clip: Clip, out: number): Clip =>
  temporalConv(p.in(names.pair[1]), spatialConv(p.in(names.pair[0]), clip, out));

/** GroupNorm with one group, frame by frame. */
export const frameNorm = (p: Scope, clip: Clip): Clip => over(clip, (x) => groupNorm(p.in("norm"), x, 1));

/** GroupNorm and SiLU. */
export const normAct = (p: Scope, clip: Clip): Clip => over(frameNorm(p, clip), silu);

/** Norm, SiLU, factorised convolution, twice, around a shortcut. */
export function resnetBlock(p: Scope, names: Names, clip: Clip, out: number): Clip {
  const first = pairConv(p.in("conv1"), names, normAct(p.in("norm1"), clip), out);
  const second = pairConv(p.in("conv2"), names, normAct(p.in("norm2"), first), out);
  const shortcut = channelsOf(clip) === out ? clip : pointConv(names.conv(p, names.shortcut), clip, out);
  return over(second, (x) => add(x, shortcut.x));
}

/** Positions of each frame attend to one another; one head. q, k, v are [N, C, H, W], positions last, and stay so. */
export function attendInFrame(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [n, c, h, w] = q.shape as [number, number, number, number];
  const flat = (t: Tensor): Tensor => reshape(t, [n, c, h * w]);
  const scores = matmul(flat(q), flat(k), { transA: true, alpha: c ** -0.5 });
  return reshape(matmul(flat(v), softmax(scores), { transB: true }), q.shape);
}

/** Each position attends to its own past, the present included. */
function attendOverTime(q: Tensor, k: Tensor, v: Tensor, { batch, frames }: Clip): Tensor {
  const [, c, h, w] = q.shape as [number, number, number, number];
  const byPosition = (t: Tensor): Tensor => transpose(reshape(t, [batch, frames, c, h * w]), [0, 3, 1, 2]);
  const future = constant(Array.from({ length: frames * frames }, (_, i) => (i % frames > Math.floor(i / frames) ? -1e30 : 0)), [frames, frames]);
  const y = attention(byPosition(q), byPosition(k), byPosition(v), { mask: future });
  return reshape(transpose(y, [0, 2, 3, 1]), q.shape);
}

/** Norm, attention within frames ("space") or along time, and the input added. */
export function attentionBlock(p: Scope, names: Names, clip: Clip, along: "space" | "time"): Clip {
  const width = channelsOf(clip);
  const normed = frameNorm(p.in("norm"), clip);
  const [q, k, v] = names.qkv.map((name) => pointConv(names.conv(p, name), normed, width).x) as [Tensor, Tensor, Tensor];
  // With one frame there is nothing else to look at: the softmax over one score is 1.
  const y = along === "space" ? attendInFrame(q, k, v) : clip.frames === 1 ? v : attendOverTime(q, k, v, clip);
  return over(pointConv(names.conv(p, names.projection), { ...clip, x: y }, width), (x) => add(x, clip.x));
}

/**
 * Halves picture and frames: a strided convolution plus the average of each 2 x 2 (or 2), then a 1x1x1 convolution. The
 * average is a convolution too, so it is added to the kernel.
 */
export function downsample(p: Scope, names: Names, clip: Clip, { space, time }: Resample): Clip {
  if (!space && !time) return clip;
  const width = channelsOf(clip);
  let y = clip;
  if (space) y = spatialConv(names.conv(p, "conv1"), y, width, { stride: 2, pass: [0.25, 0.25, 0, 0.25, 0.25, 0, 0, 0, 0] });
  // The average is that of the last two taps: of the pairs (0, 0), (1, 2), (3, 4), ...
  if (time) y = temporalConv(names.conv(p, "conv2"), y, halving(y.frames), [0, 0.5, 0.5]);
  return pointConv(names.conv(p, "conv3"), y, width);
}

/** Doubles frames (all but the first) and picture: repeats, each time adding a convolution of the result, then a 1x1x1 one. */
export function upsample(p: Scope, names: Names, clip: Clip, { space, time }: Resample): Clip {
  if (!space && !time) return clip;
  const width = channelsOf(clip);
  let y = clip;
  if (time) y = temporalConv(names.conv(p, "conv1"), y, doubling(y.frames), [0, 0, 1]);
  if (space) {
    const large = over(y, (x) => resize(x, [x.shape[2]! * 2, x.shape[3]! * 2]));
    y = spatialConv(names.conv(p, "conv2"), large, width, { pass: [0, 0, 0, 0, 1, 0, 0, 0, 0] });
  }
  return pointConv(names.conv(p, "conv3"), y, width);
}
