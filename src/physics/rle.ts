/**
 * Masks as COCO writes them (`pycocotools.mask`): lengths of runs of 0 and 1 in turn, down the columns, in a string of
 * printable letters. Anything that reads COCO reads these.
 */

export interface RleMask {
  /** Height, width. */
  size: [number, number];
  counts: string;
}

/** Of a picture of ids, the pixels that are `id`. `ids` is `[H, W]` by rows. */
export function encodeMask(ids: Uint8Array, width: number, height: number, id: number): RleMask {
  const runs: number[] = [];
  let [inside, run] = [false, 0];
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((ids[y * width + x] === id) === inside) run += 1;
      else {
        runs.push(run);
        inside = !inside;
        run = 1;
      }
    }
  }
  runs.push(run);
  return { size: [height, width], counts: runs.map((value, i) => letters(i > 2 ? value - runs[i - 2]! : value)).join("") };
}

/** A number in groups of five bits, low ones first; the sixth says that more follow, and the last group carries the sign. */
function letters(value: number): string {
  let text = "";
  for (let more = true; more; ) {
    let bits = value & 0x1f;
    value >>= 5;
    more = bits & 0x10 ? value !== -1 : value !== 0;
    if (more) bits |= 0x20;
    text += String.fromCharCode(bits + 48);
  }
  return text;
}

/** The mask as bytes 0 and 1, `[H, W]`. */
export function decodeMask({ size: [height, width], counts }: RleMask): Uint8Array {
  const runs: number[] = [];
  for (let at = 0; at < counts.length; ) {
    let [value, shift, more] = [0, 0, true];
    while (more) {
      const bits = counts.charCodeAt(at++) - 48;
      value |= (bits & 0x1f) << shift;
      more = (bits & 0x20) !== 0;
      shift += 5;
      if (!more && bits & 0x10) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2]! : value);
  }
  const mask = new Uint8Array(width * height);
  let at = 0;
  runs.forEach((run, i) => {
    if (i % 2 === 1) for (let k = at; k < at + run; k++) mask[(k % height) * width + Math.floor(k / height)] = 1;
    at += run;
  });
  return mask;
}
