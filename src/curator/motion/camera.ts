/**
 * The camera's movement between two pictures: the similarity (shift, zoom, roll) that most blocks follow, by iteratively
 * reweighted least squares, and what is left over, which is the movement of things. Shift in widths of the picture, so that
 * numbers do not depend on size; one camera cannot tell a pan from a truck or a zoom from a dolly, and the names say so.
 */
import { smallSize } from "../small.ts";
import { stillness, type BlockMotion } from "./blocks.ts";

export interface CameraStep {
  /** Shift of the picture's content, in widths of the picture; right and down are positive. */
  tx: number;
  ty: number;
  /** Growth of the picture's content: 0.01 is one per cent larger. */
  zoom: number;
  /** Radians, clockwise. */
  roll: number;
  /** Share of the blocks' weight that follows the camera, 0..1. */
  inliers: number;
  /** Mean movement of blocks against the camera, in widths. */
  objects: number;
  /** Share of the picture that could tell anything, 0..1. */
  told: number;
}

const rounds = 10;
/** Residual below which a block follows the camera, in pixels of the small picture. */
const tolerance = 0.9;

/** Fits the camera's step. `aspect` is width over height as shown. */
export function fitCamera(blocks: readonly BlockMotion[], aspect: number): CameraStep {
  // To widths of the picture on both axes: the small picture is distorted, a roll in it would not be one.
  const [ux, uy] = [1 / smallSize.width, 1 / (smallSize.height * aspect)];
  const points = blocks.map(({ x, y, dx, dy, weight }) => ({ x: x * ux, y: y * uy, dx: dx * ux, dy: dy * uy, weight }));
  const total = points.reduce((sum, p) => sum + p.weight, 0);
  const told = points.length / ((smallSize.width * smallSize.height) / 144);
  if (total === 0) return { tx: 0, ty: 0, zoom: 0, roll: 0, inliers: 0, objects: 0, told };
  const limit = tolerance * ux;
  let fit: Similarity = { tx: weightedMedian(points, (p) => p.dx), ty: weightedMedian(points, (p) => p.dy), zoom: 0, roll: 0 };
  const residual = (p: Point): number => residualOf(p, fit);
  for (let round = 0; round < rounds; round++) {
    // Wide at first, so that a zoom, whose shifts differ over the picture, is not cut away before it is seen.
    const scale = limit * Math.max(1, 6 * 0.6 ** round);
    fit = solve(points.map((p) => ({ ...p, weight: p.weight / (1 + (residual(p) / scale) ** 2) ** 2 }))) ?? fit;
  }
  const still = { tx: 0, ty: 0, zoom: 0, roll: 0 };
  const standing = blocks.reduce((sum, { dx, dy, weight }) => sum + (Math.hypot(dx, dy) < 2 * stillness ? weight : 0), 0);
  const following = agreeing(points, fit, limit);
  // A thing that fills half the picture moves in one piece, as a camera's view does; but where much that has texture has not
  // moved at all, the camera has not.
  if (standing > 0.3 * total && standing > 0.55 * following) fit = still;
  const inliers = fit === still ? standing : following;
  const objects = points.reduce((sum, p) => sum + p.weight * Math.max(0, residual(p) - limit / 2), 0);
  return { ...fit, inliers: inliers / total, objects: objects / total, told };
}

type Similarity = Pick<CameraStep, "tx" | "ty" | "zoom" | "roll">;
/** A block with places and displacements in widths of the picture. */
type Point = BlockMotion;

/** How far a block is from where a movement of the camera alone would have brought it. */
const residualOf = (p: Point, fit: Similarity): number => Math.hypot(p.dx - (fit.tx + fit.zoom * p.x - fit.roll * p.y), p.dy - (fit.ty + fit.roll * p.x + fit.zoom * p.y));

/** Weight of the blocks that follow a movement of the camera; its own error grows with how far a block went. */
const agreeing = (points: readonly Point[], fit: Similarity, limit: number): number =>
  points.reduce((sum, p) => sum + (residualOf(p, fit) < limit + 0.1 * Math.hypot(p.dx, p.dy) ? p.weight : 0), 0);

function weightedMedian<T extends { weight: number }>(points: readonly T[], of: (p: T) => number): number {
  const sorted = points.toSorted((a, b) => of(a) - of(b));
  const half = sorted.reduce((sum, p) => sum + p.weight, 0) / 2;
  let sum = 0;
  for (const p of sorted) if ((sum += p.weight) >= half) return of(p);
  return 0;
}

/** Weighted least squares of dx = tx + zoom x - roll y, dy = ty + roll x + zoom y: closed form about the weighted centre. */
function solve(points: readonly { x: number; y: number; dx: number; dy: number; weight: number }[]): { tx: number; ty: number; zoom: number; roll: number } | undefined {
  let [w, mx, my, mdx, mdy] = [0, 0, 0, 0, 0];
  for (const p of points) {
    w += p.weight;
    mx += p.weight * p.x;
    my += p.weight * p.y;
    mdx += p.weight * p.dx;
    mdy += p.weight * p.dy;
  }
  if (w < 1e-9) return undefined;
  [mx, my, mdx, mdy] = [mx / w, my / w, mdx / w, mdy / w];
  let [spread, along, across] = [0, 0, 0];
  for (const p of points) {
    const [x, y, dx, dy] = [p.x - mx, p.y - my, p.dx - mdx, p.dy - mdy];
    spread += p.weight * (x * x + y * y);
    along += p.weight * (x * dx + y * dy);
    across += p.weight * (x * dy - y * dx);
  }
  // Blocks all in one place tell a shift and nothing else.
  const [zoom, roll] = spread > 1e-3 * w ? [along / spread, across / spread] : [0, 0];
  return { tx: mdx - zoom * mx + roll * my, ty: mdy - roll * mx - zoom * my, zoom, roll };
}
