/**
 * The bundled face detector: SSD (Liu et al. 2016) on MobileNetV1, the network of the TensorFlow object-detection API that
 * face-api.js runs (`src/ssdMobilenetv1`), trained on WIDER FACE. There the picture is always squeezed into 512 x 512; here it
 * may have any size, since every layer is a convolution, and priors keep the size in pixels that they have at 512.
 *
 * Shapes: B pictures, C channels, h x w places of a feature map, P priors.
 */
import { batchNorm, convolution, type Scope } from "../../../nn/index.ts";
import { add, cast, clamp, concat, mul, reshape, sigmoid, sliceAxis, transpose, type Tensor } from "../../../tensor/index.ts";

/** TensorFlow's "same" padding: as many places as the stride leaves, the odd row of padding behind. */
function same(size: number, kernel: number, stride: number): { before: number; after: number } {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  return { before: Math.floor(total / 2), after: Math.ceil(total / 2) };
}

function sameConv(p: Scope, x: Tensor, out: number, kernel: number, stride: number, { bias = true, groups = 1 } = {}): Tensor {
  const padding = x.shape.slice(2).map((d) => same(d, kernel, stride));
  return convolution(p, x, out, [kernel, kernel], { bias, groups, strides: [stride, stride], before: padding.map((s) => s.before), after: padding.map((s) => s.after) });
}

const relu6 = (x: Tensor): Tensor => clamp(x, 0, 6);

/** A convolution whose normalisation is folded into it. */
const block = (p: Scope, x: Tensor, out: number, kernel: number, stride: number): Tensor => relu6(sameConv(p.in("pointwise"), x, out, kernel, stride));

function separable(p: Scope, x: Tensor, out: number, stride: number): Tensor {
  const y = sameConv(p.in("depthwise"), x, x.shape[1]!, 3, stride, { bias: false, groups: x.shape[1]! });
  return block(p, relu6(batchNorm(p.in("norm"), y, { eps: 0.001 })), out, 1, 1);
}

/** Output channels and stride of the separable blocks 1 to 13. */
const backbone = [[64, 1], [128, 2], [128, 1], [256, 2], [256, 1], [512, 2], [512, 1], [512, 1], [512, 1], [512, 1], [512, 1], [1024, 2], [1024, 1]] as const;
/** Output channels, kernel and stride of the extra layers behind them. */
const extra = [[256, 1, 1], [512, 3, 2], [128, 1, 1], [256, 3, 2], [128, 1, 1], [256, 3, 2], [64, 1, 1], [128, 3, 2]] as const;

/** Pixels from one place to the next of each feature map that is read. */
const strides = [16, 32, 64, 128, 256, 512] as const;
const trainedSize = 512;

/** Heights and widths of each feature map's priors, in pixels: the object-detection API's scales 0.2 to 0.95. */
const priorSizes: readonly (readonly (readonly [height: number, width: number])[])[] = strides.map((_, level) => {
  const scaleOf = (k: number): number => (k === 6 ? 1 : 0.2 + 0.15 * k);
  const shaped = (scale: number, ratio: number): [number, number] => [(scale / Math.sqrt(ratio)) * trainedSize, scale * Math.sqrt(ratio) * trainedSize];
  const scale = scaleOf(level);
  if (level === 0) return [shaped(0.1, 1), shaped(scale, 2), shaped(scale, 0.5)];
  return [shaped(scale, 1), shaped(Math.sqrt(scale * scaleOf(level + 1)), 1), shaped(scale, 2), shaped(scale, 0.5), shaped(scale, 3), shaped(scale, 0.3333)];
});

/** Centre y, centre x, height and width of each prior [P, 4], in pixels. */
export function ssdPriors(height: number, width: number): Float32Array {
  const out: number[] = [];
  strides.forEach((stride, level) => {
    const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)];
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        for (const [h, w] of priorSizes[level]!) out.push((row + 0.5) * stride, (column + 0.5) * stride, h, w);
  });
  return Float32Array.from(out);
}

/**
 * From bytes [B, H, W, 3] (RGB) to `scores` [B, P], how sure a face is, and `boxes` [B, P, 4], offsets from the priors: y and
 * x in tenths of its size, height and width as logarithms in fifths.
 */
export function ssdFaces(p: Scope, pictures: Tensor): { scores: Tensor; boxes: Tensor } {
  let x = add(mul(cast(transpose(pictures, [0, 3, 1, 2]), "float32"), 1 / 127.5), -1);
  x = block(p.in("backbone").in(0), x, 32, 3, 2);
  const maps: Tensor[] = [];
  backbone.forEach(([out, stride], i) => {
    x = separable(p.in("backbone").in(i + 1), x, out, stride);
    if (i === 10 || i === 12) maps.push(x);
  });
  extra.forEach(([out, kernel, stride], i) => {
    x = block(p.in("extra").in(i), x, out, kernel, stride);
    if (i % 2) maps.push(x);
  });
  const batch = pictures.shape[0]!;
  const read = (name: string, values: number): Tensor =>
    concat(maps.map((map, i) => reshape(transpose(convolution(p.in("heads").in(i).in(name), map, values * priorSizes[i]!.length, [1, 1]), [0, 2, 3, 1]), [batch, -1, values])), 1);
  // Three classes: background, face, and one that was never trained.
  return { scores: reshape(sigmoid(sliceAxis(read("scores", 3), 2, 1, 2)), [batch, -1]), boxes: read("boxes", 4) };
}
