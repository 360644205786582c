/**
 * Makes src/evaluation/lab-colours.bin: for each of 32 x 32 x 32 colours of a pixel, what it most likely belongs to (0 the
 * room, else 1 + the place of an object's colour in the palette), counted over laboratory clips of the training split.
 * Usage: npm run build && node benchmarks/physics/fit-detector.mjs [clips per scenario]
 */
import { writeFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import { colourNames, decodeMask, openLaboratory, scenarioNames } from "../../dist/physics/index.js";

const perScenario = Number(process.argv[2] ?? 60);
const classes = colourNames.length + 1;
const side = 32;
const counts = new Float64Array(side ** 3 * classes);
const lab = await openLaboratory();
for (let index = 0; index < perScenario; index++) {
  for (const scenario of scenarioNames) {
    const { frames, truth, width, height } = lab.render({ scenario, split: "train", index: 100_000 + index }, { frames: 5, fps: 3 });
    const area = width * height;
    for (let t = 0; t < 5; t++) {
      const labels = new Uint8Array(area);
      for (const object of truth.objects) {
        if (object.role !== "object") continue;
        const mask = decodeMask(object.masks[t]);
        for (let i = 0; i < area; i++) if (mask[i]) labels[i] = 1 + colourNames.indexOf(object.colour);
      }
      for (let i = 0; i < area; i++) {
        const at = (t * area + i) * 3;
        counts[(((frames[at] >> 3) * side + (frames[at + 1] >> 3)) * side + (frames[at + 2] >> 3)) * classes + labels[i]]++;
      }
    }
  }
}
// Neighbouring colours lend a little, so that rare ones are not decided by one pixel; what never occurs takes after its neighbours.
let table = counts;
let answer = new Uint8Array(side ** 3).fill(255);
for (let round = 0; round < 40 && answer.includes(255); round++) {
  const spread = Float64Array.from(table);
  for (let c = 0; c < side ** 3; c++) {
    const [r, g, b] = [c >> 10, (c >> 5) & 31, c & 31];
    for (const [dr, dg, db] of [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) {
      const [x, y, z] = [r + dr, g + dg, b + db];
      if (x < 0 || y < 0 || z < 0 || x > 31 || y > 31 || z > 31) continue;
      for (let k = 0; k < classes; k++) spread[c * classes + k] += 0.1 * table[((x << 10) | (y << 5) | z) * classes + k];
    }
  }
  table = spread;
  for (let c = 0; c < side ** 3; c++) {
    if (answer[c] !== 255) continue;
    let best = -1;
    let most = 0;
    for (let k = 0; k < classes; k++) if (table[c * classes + k] > most) [best, most] = [k, table[c * classes + k]];
    if (best >= 0) answer[c] = best;
  }
}
const file = new URL("../../src/evaluation/lab-colours.bin", import.meta.url);
writeFileSync(file, deflateRawSync(answer, { level: 9 }));
let right = 0;
let all = 0;
counts.forEach((count, at) => {
  all += count;
  if (answer[Math.floor(at / classes)] === at % classes) right += count;
});
console.log(`${perScenario * scenarioNames.length} clips, ${((100 * right) / all).toFixed(2)} % of their pixels told right`);
