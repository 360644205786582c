/**
 * What RetinaFace sees with: the three feature maps, at 1/8, 1/16 and 1/32 of the picture, of MobileNetV1 at a quarter of
 * its width (`models/net.py` of biubug6/Pytorch_Retinaface) or of torchvision's ResNet-50. Parameters are named as there.
 *
 * Shapes: B pictures, C channels, h x w places of a feature map.
 */
import { batchNorm, convolution, type Scope } from "../../nn/index.ts";
import { add, leakyRelu, maxPool, relu, type Tensor } from "../../tensor/index.ts";
import type { Backbone } from "./config.ts";

export interface ConvNormOptions {
  kernel?: number;
  stride?: number;
  /** Each channel by itself. */
  depthwise?: boolean;
  /** Slope below zero; absent for no activation. */
  leaky?: number | undefined;
}

/** Convolution `conv` without bias, padded so that stride 1 keeps the size, then BatchNorm `norm` and an activation. */
export function convNorm(conv: Scope, norm: Scope, x: Tensor, out: number, { kernel = 3, stride = 1, depthwise = false, leaky }: ConvNormOptions = {}): Tensor {
  const y = convolution(conv, x, out, [kernel, kernel], { bias: false, strides: [stride, stride], before: (kernel - 1) / 2, groups: depthwise ? x.shape[1]! : 1 });
  const z = batchNorm(norm, y);
  return leaky === undefined ? z : leakyRelu(z, leaky);
}

/** As the two or three modules of a `Sequential`: 0 and 1. */
export const convBlock = (p: Scope, x: Tensor, out: number, options: ConvNormOptions): Tensor => convNorm(p.in(0), p.in(1), x, out, options);

/** A convolution of each channel by itself, then one that mixes channels. */
function separable(p: Scope, x: Tensor, out: number, stride: number): Tensor {
  const y = convNorm(p.in(0), p.in(1), x, x.shape[1]!, { stride, depthwise: true, leaky: 0.1 });
  return convNorm(p.in(3), p.in(4), y, out, { kernel: 1, leaky: 0.1 });
}

type Features = [Tensor, Tensor, Tensor];

/** Output channels and stride of each separable block. */
const mobileStages: Readonly<Record<string, readonly (readonly [out: number, stride: number])[]>> = {
  stage1: [[16, 1], [32, 2], [32, 1], [64, 2], [64, 1]],
  stage2: [[128, 2], [128, 1], [128, 1], [128, 1], [128, 1], [128, 1]],
  stage3: [[256, 2], [256, 1]],
};

function mobileNet(p: Scope, picture: Tensor): Features {
  let x = convBlock(p.in("stage1").in(0), picture, 8, { stride: 2, leaky: 0.1 });
  const maps = Object.entries(mobileStages).map(([name, blocks]) => {
    // The first stage begins with the plain convolution above.
    const first = name === "stage1" ? 1 : 0;
    blocks.forEach(([out, stride], i) => (x = separable(p.in(name).in(first + i), x, out, stride)));
    return x;
  });
  return maps as Features;
}

/** 1x1, 3x3 and 1x1 convolutions beside a shortcut; the stride is the middle one's. */
function bottleneck(p: Scope, x: Tensor, width: number, stride: number, project: boolean): Tensor {
  let y = convNorm(p.in("conv1"), p.in("bn1"), x, width, { kernel: 1, leaky: 0 });
  y = convNorm(p.in("conv2"), p.in("bn2"), y, width, { stride, leaky: 0 });
  y = convNorm(p.in("conv3"), p.in("bn3"), y, 4 * width, { kernel: 1 });
  return relu(add(y, project ? convBlock(p.in("downsample"), x, 4 * width, { kernel: 1, stride }) : x));
}

function resNet50(p: Scope, picture: Tensor): Features {
  let x = convNorm(p.in("conv1"), p.in("bn1"), picture, 64, { kernel: 7, stride: 2, leaky: 0 });
  x = maxPool(x, [3, 3], { strides: [2, 2], before: [1, 1] });
  const maps = [3, 4, 6, 3].map((depth, stage) => {
    for (let i = 0; i < depth; i++) x = bottleneck(p.in(`layer${stage + 1}`).in(i), x, 64 << stage, stage > 0 && i === 0 ? 2 : 1, i === 0);
    return x;
  });
  return maps.slice(1) as Features;
}

/** Feature maps [B, C, h, w] of pictures [B, 3, H, W], from fine to coarse. */
export const features = (p: Scope, picture: Tensor, backbone: Backbone): Features => (backbone === "resnet50" ? resNet50 : mobileNet)(p, picture);
