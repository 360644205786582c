/** The bundled network against face-api.js' own answers, what its detector finds in drawn faces, and RetinaFace's decoding. */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { parameters } from "../../nn/index.ts";
import { compile, input } from "../../tensor/index.ts";
import { hostTensor, openRuntime } from "../../tensor/runtime/node.ts";
import { drawFace, drawWall } from "./drawn-face.cases.ts";
import { overlap, type FaceDetector } from "./face.ts";
import { openFaceDetector } from "./open.ts";
import { readSsdWeights } from "./ssd/detector.ts";
import { ssdFaces, ssdPriors } from "./ssd/network.ts";
import { planViews } from "./views.ts";

let opened: FaceDetector | undefined;
const detector = async (): Promise<FaceDetector> => (opened ??= await openFaceDetector({ threads: 2 }));
afterAll(() => opened?.close());

test("the bundled network answers what face-api.js 1.7.15 does", async () => {
  const golden = JSON.parse(readFileSync(new URL("./testdata/ssd-512.json", import.meta.url), "utf8")) as { every: number; scores: number[]; boxes: number[][] };
  const side = 512;
  const pixels = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) pixels.set([(x * 7 + y * 13 + ((x * y) % 31)) % 256, (x * x + 3 * y) % 251, (5 * x + y * y * 2 + 17) % 241], (y * side + x) * 3);
  const runtime = await openRuntime({ threads: 2 });
  try {
    const { weights } = await readSsdWeights();
    const executable = await runtime.load(compile({ outputs: ssdFaces(parameters().root, input("pictures", [1, side, side, 3], "uint8")), weights }));
    const { scores, boxes } = await executable.run({ pictures: hostTensor("uint8", [1, side, side, 3], pixels) });
    const priors = ssdPriors(side, side);
    expect(priors.length).toBe(5118 * 4);
    golden.scores.forEach((score, k) => {
      const i = k * golden.every;
      expect(Number(scores!.data[i])).toBeCloseTo(score, 4);
      const [dy, dx, dh, dw] = Array.from(boxes!.data.subarray(4 * i, 4 * i + 4) as Float32Array) as [number, number, number, number];
      const [cy, cx, h, w] = [...priors.subarray(4 * i, 4 * i + 4)] as [number, number, number, number];
      const [y, x, high, wide] = [cy + (dy / 10) * h, cx + (dx / 10) * w, Math.exp(dh / 5) * h, Math.exp(dw / 5) * w];
      [y - high / 2, x - wide / 2, y + high / 2, x + wide / 2].forEach((v, c) => expect(Math.abs(v - golden.boxes[k]![c]!), `prior ${i}`).toBeLessThan(0.02));
    });
  } finally {
    await runtime.close();
  }
});

describe("the bundled detector", () => {
  test("finds a drawn face where it is, and nothing on an empty wall", async () => {
    const picture = drawWall(320, 240);
    expect(await (await detector()).detect(picture, 0.3)).toEqual([]);
    drawFace(picture, { x: 100, y: 100, size: 30 });
    const [face, ...others] = await (await detector()).detect(picture, 0.3);
    expect(others).toEqual([]);
    expect(overlap(face!.box, [78, 72, 122, 131])).toBeGreaterThan(0.5);
  });

  test("robots, patterns and a drawing of lines trigger nothing", async () => {
    const shapes: ((x: number, y: number) => number[])[] = [
      (x, y) => ((x >> 4) + (y >> 4)) % 2 ? [230, 230, 230] : [20, 20, 20],
      (x, y) => (Math.hypot((x % 80) - 40, (y % 80) - 40) < 28 ? [200, 60, 60] : [240, 240, 240]),
      // A head of a robot: a box with two round lamps and a slit.
      (x, y) => (x < 90 || x > 230 || y < 50 || y > 200 ? [120, 130, 140] : Math.hypot(x - 130, y - 100) < 14 || Math.hypot(x - 190, y - 100) < 14 ? [80, 200, 255] : y > 150 && y < 160 && x > 120 && x < 200 ? [30, 30, 30] : [190, 190, 195]),
      (x, y) => (Math.abs(Math.hypot(x - 160, y - 120) - 70) < 2 || Math.hypot(x - 135, y - 100) < 5 || Math.hypot(x - 185, y - 100) < 5 ? [0, 0, 0] : [255, 255, 255]),
    ];
    for (const shape of shapes) {
      const picture = drawWall(320, 240);
      for (let y = 0; y < 240; y++) for (let x = 0; x < 320; x++) picture.pixels.set(shape(x, y), (y * 320 + x) * 3);
      const found = await (await detector()).detect(picture, (await detector()).threshold);
      expect(found.map(({ score }) => score)).toEqual([]);
    }
  });
});

describe("views", () => {
  const options = { smallest: 20, sees: 24, coarse: 512, tile: 1024, multiple: 32, trusted: 160 };

  test("a small picture is seen whole, a large one in tiles as well that leave nothing out", () => {
    expect(planViews(400, 300, { ...options, smallest: 40 })).toHaveLength(1);
    const views = planViews(3840, 2160, options);
    expect(views[0]).toMatchObject({ region: { left: 0, top: 0, width: 3840, height: 2160 }, width: 512, largest: Infinity });
    expect(views.every(({ width, height }) => width <= 1024 && height <= 1024 && width % 32 === 0 && height % 32 === 0)).toBe(true);
    // Every face of up to the largest size that a tile is asked for lies whole in one of them.
    const largest = views[1]!.largest;
    for (let y = 0; y + largest <= 2160; y += 97)
      for (let x = 0; x + largest <= 3840; x += 97)
        expect(views.slice(1).some(({ region: r }) => x >= r.left && y >= r.top && x + largest <= r.left + r.width && y + largest <= r.top + r.height), `${x}, ${y}`).toBe(true);
  });
});
