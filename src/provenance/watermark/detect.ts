/**
 * Finds the watermark in a residual, whatever was done to the video's size, place and direction. For each size that a chip
 * may have, the residual is folded onto one tile, so that all repetitions add up; a Fourier transform then compares it with
 * the known chips at every shift at once, plain and mirrored (a matched filter on whitened data). The best places are
 * looked at again with finer sizes, and there the payload is decoded.
 *
 * When is it a mark and when chance? `z` is how far the comparison stands out, in standard deviations of all shifts at that
 * size. The chance that nothing but noise stands out as far is at most the number of places looked at x Q(z) (union bound,
 * Gaussian tail). A payload needs more: its CRC of 24 bits must hold, by chance in one of 16.8 million readings, and up to
 * `listSize` readings are made at each of at most `mostPlaces` places: in one of 80,000 videos at most.
 */
import { decodePayload, codeLength, listSize } from "./code.ts";
import { fourier, newGrid, type Grid } from "./fft.ts";
import { chipSize, layoutOf, tileChips, type Layout } from "./pattern.ts";
import type { Residual } from "./residual.ts";

/** Where the tile lies in the frames that were looked at. */
export interface Geometry {
  /** Pixels of a chip, across and down. */
  chipX: number;
  chipY: number;
  /** Chips by which the tile's corner lies right of and below the frame's, 0 to 27. */
  shiftX: number;
  shiftY: number;
  /** The picture was mirrored, left to right. */
  mirrored: boolean;
}

export interface Detection {
  /** `payload`: read, and its CRC holds. `presence`: a mark of this key, whose payload could not be read. */
  found: "payload" | "presence" | "nothing";
  payload?: bigint;
  /** How far the known chips stand out, in standard deviations. */
  z: number;
  /** Bound on the probability that this is said of a video without a mark. */
  falseAlarm: number;
  /** The best place, also when nothing was found there. */
  geometry: Geometry;
  framesUsed: number;
  /** Sizes of a chip that were tried. */
  sizesTried: number;
}

const side = 64;
const cells = side * side;
/** Cells of the folded tile per chip. */
const perChip = side / tileChips;
/** Chips by which a wrong size may be off from one end of the frame to the other. */
const sizeStep = 0.6;
const mostDecoded = 10;
/** The usual sizes are four, with at most four places each. */
const mostPlaces = mostDecoded + 16;
/** Below this no place is worth decoding: noise alone reaches 5 over all places. */
const leastZ = 4;
/**
 * Chance at which a mark without a readable payload is still called present: z above 8. Far below what would be enough were
 * the tail Gaussian, because it is not: over hundreds of unmarked slices z reached 6.6 where the bound expects 5.9.
 */
const presenceChance = 1e-9;
const transform = fourier(side);

interface Templates {
  layout: Layout;
  /** Conjugated spectra of the known chips, plain and mirrored, and of one chip. */
  plain: Grid;
  mirrored: Grid;
  bump: Grid;
}

/** Looks for the mark of a key. */
export function detectInResidual(residual: Residual, key: Uint8Array): Detection {
  const templates = templatesOf(key);
  const sizes = sizesToTry(residual);
  const places: Place[] = [];
  let decoded = 0;
  // The size that an uncropped video has comes first: most need no search.
  for (const chip of usualSizes(residual)) {
    const found = look(residual, templates, chip, chip).filter(({ z }) => z >= leastZ);
    places.push(...found);
    for (const place of found) {
      decoded += 1;
      const detection = decode(residual, templates, place, 1, decoded);
      if (detection !== undefined) return detection;
    }
  }
  for (const across of sizes) {
    const chip = residual.width / across;
    places.push(...look(residual, templates, chip, chip));
  }
  places.sort((a, b) => b.z - a.z);
  const looked = (sizes.length + 4) * 2 * cells;
  for (const place of places.slice(0, Math.max(4, mostDecoded - decoded))) {
    if (place.z < leastZ) break;
    const fine = refine(residual, templates, place);
    const detection = decode(residual, templates, fine, sizes.length + 1, mostPlaces);
    if (detection !== undefined) return detection;
    place.z = Math.max(place.z, fine.z);
  }
  places.sort((a, b) => b.z - a.z);
  const best = places[0]!;
  const falseAlarm = Math.min(1, looked * upperTail(best.z));
  return { found: falseAlarm < presenceChance ? "presence" : "nothing", z: best.z, falseAlarm, geometry: geometryOf(best), framesUsed: residual.frameCount, sizesTried: sizes.length + 1 };
}

/** Chip sizes of a video that was marked at its present shape, whatever its size was then. */
function usualSizes({ width, height }: Residual): number[] {
  const lines = Math.min(width, height);
  return [...new Set([chipSize(width, height), lines / 90, lines / 60, 4])].filter((chip) => chip > 1.6);
}

/** How many chips may lie across the frame: from a strong crop of it to one that was padded, for all sizes it may have had. */
function sizesToTry({ width, height }: Residual): number[] {
  const byHeight = width / (Math.min(width, height) / 90);
  const own = width / chipSize(width, height);
  const [least, most] = [Math.max(5, 0.45 * Math.min(own, byHeight)), Math.min(1.4 * Math.max(own, byHeight), width / 1.6)];
  // Drift counts from end to end of the longer side.
  const step = (sizeStep * width) / Math.max(width, height);
  return Array.from({ length: Math.max(1, Math.ceil((most - least) / step)) }, (_, i) => least + i * step);
}

interface Place {
  chipX: number;
  chipY: number;
  /** Cells, with fractions. */
  x: number;
  y: number;
  mirrored: boolean;
  z: number;
}

function templatesOf(key: Uint8Array): Templates {
  const layout = layoutOf(key);
  const known = new Float64Array(tileChips * tileChips);
  layout.syncAt.forEach((at, i) => (known[at] = layout.syncSign[i]!));
  const grid = (value: (x: number, y: number) => number): Grid => {
    const made = newGrid(side);
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) made.re[y * side + x] = value(x, y);
    transform.forward(made);
    for (let i = 0; i < cells; i++) made.im[i] = -made.im[i]!;
    return made;
  };
  const bilinear = (x: number, y: number): number => {
    const [u, v] = [(x + 0.5) / perChip - 0.5, (y + 0.5) / perChip - 0.5];
    const [left, top] = [Math.floor(u), Math.floor(v)];
    const at = (i: number, j: number) => known[((j + tileChips) % tileChips) * tileChips + ((i + tileChips) % tileChips)]!;
    const [right, down] = [u - left, v - top];
    return (at(left, top) * (1 - right) + at(left + 1, top) * right) * (1 - down) + (at(left, top + 1) * (1 - right) + at(left + 1, top + 1) * right) * down;
  };
  const tent = (distance: number) => Math.max(0, 1 - Math.min(distance, side - distance) / perChip);
  return { layout, plain: grid(bilinear), mirrored: grid((x, y) => bilinear(side - 1 - x, y)), bump: grid((x, y) => tent(x) * tent(y)) };
}

// Hundreds of sizes are looked at one after the other: memory for one is enough.
const [folded, both] = [newGrid(side), newGrid(side)];
const power = new Float32Array(cells);

/** Valid until the next call. Adds all repetitions of the tile up, and divides its spectrum by the local mean of its power. */
function foldAndWhiten({ width, height, sum }: Residual, chipX: number, chipY: number): Grid {
  const grid = folded;
  grid.re.fill(0);
  grid.im.fill(0);
  const cellOf = (length: number, chip: number) => Uint8Array.from({ length }, (_, i) => Math.floor((((i + 0.5) / chip) % tileChips) * perChip));
  const [columns, rows] = [cellOf(width, chipX), cellOf(height, chipY)];
  for (let y = 0, i = 0; y < height; y++) {
    const start = rows[y]! * side;
    for (let x = 0; x < width; x++, i++) grid.re[start + columns[x]!]! += sum[i]!;
  }
  transform.forward(grid);
  grid.re[0] = grid.im[0] = 0;
  let mean = 0;
  for (let i = 0; i < cells; i++) mean += power[i] = grid.re[i]! * grid.re[i]! + grid.im[i]! * grid.im[i]!;
  mean /= cells;
  const smooth = wrappedMean(power);
  for (let i = 0; i < cells; i++) {
    const divisor = smooth[i]! + 0.02 * mean + 1e-12;
    grid.re[i]! /= divisor;
    grid.im[i]! /= divisor;
  }
  return grid;
}

const [across5, mean5] = [new Float32Array(cells), new Float32Array(cells)];

/** Mean over 5 x 5 neighbours of a grid without borders; valid until the next call. */
function wrappedMean(from: Float32Array): Float32Array {
  const last = side - 1;
  for (let y = 0; y < cells; y += side)
    for (let x = 0; x < side; x++)
      across5[y + x] = from[y + ((x - 2) & last)]! + from[y + ((x - 1) & last)]! + from[y + x]! + from[y + ((x + 1) & last)]! + from[y + ((x + 2) & last)]!;
  for (let y = 0; y < side; y++) {
    const [a, b, c, d] = [((y - 2) & last) * side, ((y - 1) & last) * side, ((y + 1) & last) * side, ((y + 2) & last) * side];
    for (let x = 0; x < side; x++) mean5[y * side + x] = (across5[a + x]! + across5[b + x]! + across5[y * side + x]! + across5[c + x]! + across5[d + x]!) / 25;
  }
  return mean5;
}

/** Compares with the known chips at every shift, plain and mirrored; gives the two best places of each. */
function look(residual: Residual, { plain, mirrored }: Templates, chipX: number, chipY: number): Place[] {
  const data = foldAndWhiten(residual, chipX, chipY);
  // Two real surfaces in one transform: one comes out as the real part, the other as the imaginary one.
  for (let i = 0; i < cells; i++) {
    const re = data.re[i]!;
    const im = data.im[i]!;
    both.re[i] = re * (plain.re[i]! - mirrored.im[i]!) - im * (plain.im[i]! + mirrored.re[i]!);
    both.im[i] = re * (plain.im[i]! + mirrored.re[i]!) + im * (plain.re[i]! - mirrored.im[i]!);
  }
  transform.inverse(both);
  return [...peaks(both.re, false), ...peaks(both.im, true)].map((peak) => ({ chipX, chipY, ...peak }));
}

function peaks(surface: Float64Array, mirrored: boolean): Pick<Place, "x" | "y" | "mirrored" | "z">[] {
  let squares = 0;
  for (let i = 0; i < cells; i++) squares += surface[i]! * surface[i]!;
  const deviation = Math.sqrt(squares / cells) || 1;
  const found: Pick<Place, "x" | "y" | "mirrored" | "z">[] = [];
  let except = -1;
  for (let round = 0; round < 2; round++) {
    let best = -1;
    let most = -Infinity;
    for (let i = 0; i < cells; i++) {
      if (surface[i]! <= most || (except >= 0 && near(i, except))) continue;
      best = i;
      most = surface[i]!;
    }
    const [x, y] = [best % side, Math.floor(best / side)];
    const value = (dx: number, dy: number) => surface[((y + dy) & (side - 1)) * side + ((x + dx) & (side - 1))]!;
    const top = value(0, 0);
    // The summit between the cells, by a parabola through three of them.
    const between = (before: number, after: number) => {
      const bend = before - 2 * top + after;
      return bend < 0 ? Math.max(-0.5, Math.min(0.5, (before - after) / (2 * bend))) : 0;
    };
    found.push({ x: x + between(value(-1, 0), value(1, 0)), y: y + between(value(0, -1), value(0, 1)), mirrored, z: top / deviation });
    except = best;
  }
  return found;
}

const near = (a: number, b: number): boolean => {
  const apart = (p: number, q: number) => Math.min((p - q) & (side - 1), (q - p) & (side - 1));
  return apart(a % side, b % side) <= 3 && apart(Math.floor(a / side), Math.floor(b / side)) <= 3;
};

/** Walks to the chip size, across and down apart, at which the place stands out most. */
function refine(residual: Residual, templates: Templates, start: Place): Place {
  let best = start;
  for (const drift of [0.4, 0.2]) {
    const [stepX, stepY] = [(drift * best.chipX) / residual.width, (drift * best.chipY) / residual.height];
    for (let moved = true, rounds = 0; moved && rounds < 3; rounds++) {
      moved = false;
      const centre = best;
      for (const [a, b] of [[1, 1], [-1, -1], [1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
        const places = look(residual, templates, centre.chipX * (1 + a * stepX), centre.chipY * (1 + b * stepY));
        for (const place of places) {
          if (place.mirrored === centre.mirrored && place.z > best.z) {
            best = place;
            moved = true;
          }
        }
      }
    }
  }
  return best;
}

/** Reads the payload at a place. */
function decode(residual: Residual, { layout, bump }: Templates, place: Place, sizesTried: number, placesTried: number): Detection | undefined {
  const data = foldAndWhiten(residual, place.chipX, place.chipY);
  for (let i = 0; i < cells; i++) {
    const re = data.re[i]!;
    const im = data.im[i]!;
    data.re[i] = re * bump.re[i]! - im * bump.im[i]!;
    data.im[i] = re * bump.im[i]! + im * bump.re[i]!;
  }
  transform.inverse(data);
  const chipAt = (at: number): number => {
    const across = (at % tileChips + 0.5) * perChip - 0.5;
    const x = (place.mirrored ? side - 1 - across : across) + place.x;
    const y = (Math.floor(at / tileChips) + 0.5) * perChip - 0.5 + place.y;
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const value = (i: number, j: number) => data.re[(j & (side - 1)) * side + (i & (side - 1))]!;
    const [right, down] = [x - left, y - top];
    return (value(left, top) * (1 - right) + value(left + 1, top) * right) * (1 - down) + (value(left, top + 1) * (1 - right) + value(left + 1, top + 1) * right) * down;
  };
  const soft = new Float32Array(codeLength);
  for (let i = 0; i < codeLength; i++) soft[i] = layout.dataSign[i]! * chipAt(layout.dataAt[i]!);
  const payload = decodePayload(soft);
  if (payload === undefined) return undefined;
  return {
    found: "payload", payload, z: place.z, geometry: geometryOf(place), framesUsed: residual.frameCount, sizesTried,
    falseAlarm: placesTried * listSize * 2 ** -24,
  };
}

function geometryOf({ chipX, chipY, x, y, mirrored }: Place): Geometry {
  const shift = (cell: number) => (((cell / perChip) % tileChips) + tileChips) % tileChips;
  return { chipX, chipY, shiftX: shift(x), shiftY: shift(y), mirrored };
}

/** Probability that a standard normal exceeds `z` (Abramowitz and Stegun 26.2.12 as a bound for large z). */
export function upperTail(z: number): number {
  if (z <= 0) return 1;
  return Math.min(0.5, Math.exp((-z * z) / 2) / (z * Math.sqrt(2 * Math.PI)));
}
