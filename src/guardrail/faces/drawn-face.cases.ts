/** Drawn faces for tests: shaded well enough that a detector of photographed faces takes them for some, and nobody's. */
import type { FaceBox, FaceDetector } from "./face.ts";
import { makeClip, type Clip, type Picture } from "../../video/index.ts";

interface Placed {
  /** Centre and half height in pixels. */
  x: number;
  y: number;
  size: number;
}

const mix = (a: readonly number[], b: readonly number[], part: number): number[] => a.map((v, i) => v + (b[i]! - v) * part);
const smooth = (from: number, to: number, v: number): number => {
  const t = Math.min(1, Math.max(0, (v - from) / (to - from)));
  return t * t * (3 - 2 * t);
};

/** A wall with light falling off, and a faint texture. */
export function drawWall(width: number, height: number): Picture {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const light = 150 - 40 * (y / height) + 12 * Math.sin(x * 0.05) + 4 * Math.sin(x * 1.7 + y * 2.3);
      pixels.set([light * 0.85, light, light * 1.05], (y * width + x) * 3);
    }
  return { pixels, width, height };
}

/** Draws a face over the picture. Coordinates inside are in half heights, x to the right, y down, the centre at the nose. */
export function drawFace(picture: Picture, { x: cx, y: cy, size }: Placed): void {
  const skin = [222, 178, 150];
  for (let py = Math.floor(cy - 2 * size); py < cy + 2.6 * size; py++)
    for (let px = Math.floor(cx - 2 * size); px < cx + 2 * size; px++) {
      if (px < 0 || py < 0 || px >= picture.width || py >= picture.height) continue;
      const [u, v] = [(px - cx) / size, (py - cy) / size];
      const at = (py * picture.width + px) * 3;
      let colour: number[] = [...picture.pixels.subarray(at, at + 3)];
      const blob = (x: number, y: number, rx: number, ry: number): number => 1 - smooth(0.8, 1.1, Math.hypot((u - x) / rx, (v - y) / ry));
      // Shoulders, neck, hair behind the head, head.
      colour = mix(colour, [60, 70, 110], blob(0, 2.3, 1.5, 0.95));
      colour = mix(colour, mix(skin, [120, 80, 60], 0.35), blob(0, 1.1, 0.38, 0.6));
      colour = mix(colour, [52, 36, 28], blob(0, -0.25, 0.92, 1.08));
      const shade = 0.25 + 0.5 * smooth(0.1, 1, Math.abs(u + 0.15)) * 0.6 + 0.15 * smooth(0.3, 1, v);
      colour = mix(colour, mix(skin, [110, 70, 50], shade), blob(0, 0.05, 0.74, 0.98));
      colour = mix(colour, [52, 36, 28], blob(0, -0.95, 0.72, 0.34));
      for (const side of [-1, 1]) {
        colour = mix(colour, [70, 46, 36], 0.85 * blob(side * 0.31, -0.3, 0.2, 0.05));
        colour = mix(colour, [120, 84, 68], 0.6 * blob(side * 0.31, -0.12, 0.22, 0.13));
        colour = mix(colour, [238, 236, 232], blob(side * 0.31, -0.11, 0.14, 0.065));
        colour = mix(colour, [40, 28, 22], blob(side * 0.31, -0.11, 0.065, 0.07));
        colour = mix(colour, [96, 60, 48], 0.6 * blob(side * 0.1, 0.27, 0.055, 0.035));
        colour = mix(colour, [214, 140, 124], 0.25 * blob(side * 0.42, 0.25, 0.2, 0.16));
      }
      colour = mix(colour, [245, 205, 180], 0.5 * blob(-0.02, 0.1, 0.06, 0.26));
      colour = mix(colour, [130, 86, 68], 0.35 * blob(0.1, 0.12, 0.05, 0.22));
      colour = mix(colour, [168, 76, 74], 0.9 * blob(0, 0.52, 0.26, 0.075));
      colour = mix(colour, [92, 36, 38], 0.9 * blob(0, 0.51, 0.24, 0.018));
      colour = mix(colour, [150, 104, 84], 0.4 * blob(0, 0.68, 0.2, 0.05));
      picture.pixels.set(colour, at);
    }
}

/**
 * A detector of drawn faces and nothing else, quick enough to run on every frame of a test: the box around all pixels of the
 * skin's colour.
 */
export function skinDetector(): FaceDetector & { calls: number } {
  const detector = {
    model: "skin colour (test)", version: "0".repeat(64), threshold: 0.5, calls: 0,
    async detect({ pixels, width }: Picture): Promise<FaceBox[]> {
      detector.calls += 1;
      let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
      for (let i = 0; i < pixels.length; i += 3) {
        const [r, g, b] = [pixels[i]!, pixels[i + 1]!, pixels[i + 2]!];
        if (!(r > 120 && r - g > 25 && g - b > 8)) continue;
        const [x, y] = [(i / 3) % width, Math.floor(i / 3 / width)];
        [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
      }
      return right < 0 ? [] : [{ score: 0.9, box: [left, top, right, bottom] }];
    },
    close: async () => {},
  };
  return detector;
}

/** A clip of one face that moves to the right by `step` pixels per frame. */
export function movingFace(width: number, height: number, frames: number, { x, y, size }: Placed, step: number): Clip {
  const pictures = Array.from({ length: frames }, (_, i) => {
    const picture = drawWall(width, height);
    drawFace(picture, { x: x + i * step, y, size });
    return picture.pixels;
  });
  return makeClip(Uint8Array.from(Buffer.concat(pictures)), width, height, 25);
}
