/**
 * From features to one number: how bad each defect is, by curves that were set by eye on real footage, and the worst of them
 * counting most, since one very bad property is enough to spoil a clip. Only the order within a resolution class is used: the
 * lowest share of each class goes (`rank.ts`), as Cosmos drops the bottom 15 %.
 */
import type { QualityFeatures } from "./features.ts";

/** Badness of each kind, 0 none, towards 1 hopeless. */
export interface Defects {
  softness: number;
  blocks: number;
  noise: number;
  exposure: number;
  banding: number;
  /** Share of frames that repeat the one before. */
  freeze: number;
  /** Share of the picture under black bars. */
  letterbox: number;
  /** Share of the picture under text or logos that stay while the rest moves. */
  overlay: number;
}

export interface ClipQuality {
  /** 1 without a defect, towards 0. */
  score: number;
  defects: Defects;
  /** The worst one. */
  worst: keyof Defects;
}

/** Rises from 0, is one half at `half`, and never stops rising: a worse copy always scores worse. */
const curve = (value: number, half: number, power = 2): number => {
  const x = (Math.max(0, value) / half) ** power;
  return x / (1 + x);
};

const norm = 3;

/** Features of the frames that were looked at (their medians count) and what was seen at low resolution. */
export function scoreQuality(frames: readonly QualityFeatures[], small: Pick<Defects, "freeze" | "letterbox" | "overlay">): ClipQuality {
  const middle = (of: (f: QualityFeatures) => number): number => {
    const values = frames.map(of).sort((a, b) => a - b);
    return values.length === 0 ? 0 : values.length % 2 ? values[values.length >> 1]! : (values[values.length / 2 - 1]! + values[values.length / 2]!) / 2;
  };
  const dullness = 130 - (middle((f) => f.high) - middle((f) => f.low));
  const defects: Defects = {
    softness: curve(middle((f) => f.blur), 0.55, 4),
    blocks: curve(middle((f) => f.blockiness), 0.6, 1.5),
    noise: curve(middle((f) => f.noise), 5, 1.5),
    exposure: Math.max(curve(Math.abs(middle((f) => f.brightness) - 118), 75), curve(middle((f) => f.clipped), 0.35), curve(dullness, 85)),
    banding: 0.5 * curve(middle((f) => f.banding), 0.8, 3),
    freeze: curve(small.freeze, 0.4),
    letterbox: 0.5 * curve(small.letterbox, 0.3),
    overlay: curve(small.overlay, 0.06),
  };
  const values = Object.entries(defects) as [keyof Defects, number][];
  const worst = values.reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  const bad = values.reduce((sum, [, v]) => sum + v ** norm, 0) ** (1 / norm);
  return { score: 1 / (1 + bad), defects, worst };
}
