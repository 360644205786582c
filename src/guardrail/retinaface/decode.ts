/**
 * From the network's answers to faces: offsets are applied to priors (`utils/box_utils.py`), weak ones dropped, and of boxes
 * that overlap the most certain kept (`utils/nms/py_cpu_nms.py`). Single precision step by step, as the reference.
 */
import { OrreryError } from "../../errors.ts";

const f32 = Math.fround;

export interface Face {
  /** Left, top, right, bottom in pixels; may reach beyond the picture. */
  box: [number, number, number, number];
  score: number;
  /** x, y of both eyes, the nose and both corners of the mouth, in pixels. */
  landmarks: number[];
}

/** Left, top, right, bottom of each prior's box as parts of the picture [P, 4], from offsets [P, 4]. */
export function decodeBoxes(loc: ArrayLike<number>, priors: ArrayLike<number>, [v0, v1]: readonly [number, number]): Float32Array {
  const out = new Float32Array(loc.length);
  for (let i = 0; i < loc.length; i += 4)
    for (let k = 0; k < 2; k++) {
      const length = priors[i + 2 + k]!;
      const centre = f32(priors[i + k]! + f32(f32(loc[i + k]! * f32(v0)) * length));
      const extent = f32(length * f32(Math.exp(f32(loc[i + 2 + k]! * f32(v1)))));
      out[i + k] = f32(centre - f32(extent / 2));
      out[i + 2 + k] = f32(extent + out[i + k]!);
    }
  return out;
}

/** x, y of five landmarks of each prior as parts of the picture [P, 10], from offsets [P, 10]. */
export function decodeLandmarks(offsets: ArrayLike<number>, priors: ArrayLike<number>, [v0]: readonly [number, number]): Float32Array {
  return Float32Array.from(offsets, (offset, i) => {
    const [prior, k] = [Math.floor(i / 10) * 4, i % 2];
    return f32(priors[prior + k]! + f32(f32(offset * f32(v0)) * priors[prior + 2 + k]!));
  });
}

/**
 * Indices of the boxes [P, 4] that stay, best first: a box goes when it overlaps a better one by more than `threshold`
 * (intersection over union; pixels are counted inclusively, hence the ones).
 */
export function nonMaximumSuppression(boxes: ArrayLike<number>, scores: ArrayLike<number>, threshold: number): number[] {
  const area = (left: number, top: number, right: number, bottom: number): number => f32(f32(f32(right - left) + 1) * f32(f32(bottom - top) + 1));
  const side = (low: number, high: number): number => Math.max(0, f32(f32(high - low) + 1));
  const box = (i: number, k: number): number => boxes[4 * i + k]!;
  const areas = Float32Array.from(scores, (_, i) => area(box(i, 0), box(i, 1), box(i, 2), box(i, 3)));
  let order = byScore(scores);
  const keep: number[] = [];
  while (order.length > 0) {
    const best = order[0]!;
    keep.push(best);
    order = order.slice(1).filter((i) => {
      const w = side(Math.max(box(best, 0), box(i, 0)), Math.min(box(best, 2), box(i, 2)));
      const h = side(Math.max(box(best, 1), box(i, 1)), Math.min(box(best, 3), box(i, 3)));
      const shared = f32(w * h);
      return f32(shared / f32(f32(areas[best]! + areas[i]!) - shared)) <= f32(threshold);
    });
  }
  return keep;
}

/** Indices from the highest score to the lowest; of equal ones the later first, as a reversed ascending sort has them. */
const byScore = (scores: ArrayLike<number>): number[] => Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || b - a);

export interface DetectionOptions {
  variance: readonly [number, number];
  /** Faces must be likelier than this. Cosmos: 0.7; the reference's evaluation: 0.02. */
  confidence?: number;
  /** Overlap beyond which only the better face stays. */
  nms?: number;
  /** Candidates before and faces after suppression. */
  topK?: number;
  keepTopK?: number;
}

/** Faces of one picture of `width` x `height`, most certain first, from the network's test-phase answers for it. */
export function detectFaces(
  answers: { loc: ArrayLike<number>; conf: ArrayLike<number>; landmarks: ArrayLike<number>; priors: ArrayLike<number> },
  width: number,
  height: number,
  { variance, confidence = 0.7, nms = 0.4, topK = 5000, keepTopK = 750 }: DetectionOptions,
): Face[] {
  const { loc, conf, landmarks, priors } = answers;
  const count = priors.length / 4;
  if (loc.length !== 4 * count || conf.length !== 2 * count || landmarks.length !== 10 * count)
    throw new OrreryError("internal", `answers of ${loc.length}, ${conf.length} and ${landmarks.length} values do not belong to ${count} priors`);
  const boxes = decodeBoxes(loc, priors, variance).map((v, i) => v * (i % 2 ? height : width));
  const points = decodeLandmarks(landmarks, priors, variance).map((v, i) => v * (i % 2 ? height : width));
  const scores = Float32Array.from({ length: count }, (_, i) => conf[2 * i + 1]!);
  const candidates = byScore(scores).filter((i) => scores[i]! > f32(confidence)).slice(0, topK);
  const chosen = nonMaximumSuppression(
    candidates.flatMap((i) => [...boxes.subarray(4 * i, 4 * i + 4)]),
    candidates.map((i) => scores[i]!),
    nms,
  );
  return chosen.slice(0, keepTopK).map((k) => {
    const i = candidates[k]!;
    return { box: [...boxes.subarray(4 * i, 4 * i + 4)] as Face["box"], score: scores[i]!, landmarks: [...points.subarray(10 * i, 10 * i + 10)] };
  });
}
