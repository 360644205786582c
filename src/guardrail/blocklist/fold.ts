/**
 * Folding: a text becomes characters that can be compared. Compatibility forms (full width, mathematical bold, circled),
 * accents, invisible characters, look-alikes of other scripts, HTML and Markdown marks and escapes are taken away; every
 * character that is left remembers where it stood. What a folded text means is not this file's business.
 */
import { readFileSync } from "node:fs";

export interface Folded {
  /** One entry a character: lower case; a Latin letter in place of a look-alike. */
  chars: string[];
  /** The same characters as the writer's script has them: "о" of Cyrillic is "o" above and "о" here. */
  native: string[];
  /** Index of each in the given text. */
  at: number[];
}

/** Letters that Unicode's table of look-alikes lacks, or has for a digit. */
const moreLookAlikes: Readonly<Record<string, string>> = {
  a: "ᴀ∆λ🅐🅰", b: "ʙ🅑🅱", c: "🅒🅲", d: "ᴅ∂🅓🅳", e: "ᴇз∃ǝ🅔🅴", f: "ꜰ🅕🅵", g: "ɢ🅖🅶", h: "ʜ🅗🅷", i: "ɪ¡🅘🅸", j: "ᴊ🅙🅹", k: "ᴋʞ🅚🅺", l: "ʟ🅛🅻",
  m: "ᴍɯ🅜🅼", n: "ɴпи🅝🅽", o: "ᴏ🅞🅾", p: "ᴘ🅟🅿", q: "ǫ🅠🆀", r: "ʀяɹ🅡🆁", s: "ꜱ§🅢🆂", t: "ᴛʇ🅣🆃", u: "ᴜц🅤🆄", v: "ᴠʌ🅥🆅", w: "ᴡшщʍ🅦🆆", x: "🅧🆇", y: "ʏ¥ʎ🅨🆈",
  z: "ᴢ🅩🆉",
};

let lookAlikes: Map<string, string> | undefined;

function openLookAlikes(): Map<string, string> {
  if (lookAlikes) return lookAlikes;
  const table = new Map<string, string>();
  for (const row of readFileSync(new URL("./data/confusables.tsv", import.meta.url), "utf8").trimEnd().split("\n")) {
    const [to, from] = row.split("\t") as [string, string];
    // Later rows do not overwrite letters with digits or pairs: the table goes from digits to letters.
    if (to.length === 1) for (const c of from) if (!/[a-z]/.test(table.get(c) ?? "")) table.set(c, to);
  }
  for (const [to, from] of Object.entries(moreLookAlikes)) for (const c of from) table.set(c, to);
  for (let i = 0; i < 26; i++) table.set(String.fromCodePoint(0x1f1e6 + i), String.fromCharCode(97 + i));
  return (lookAlikes = table);
}

/** Tags that change how letters look and not where a word ends. */
const inlineTag = /<\/?(?:b|i|u|s|em|strong|span|font|small|big|sub|sup|mark|tt|code|del|ins|wbr)\s*\/?>/iy;
const entity = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|nbsp|shy|zwj|zwnj));?/iy;
const escape = /\\u\{?([0-9a-f]{4,6})\}?|\\x([0-9a-f]{2})|%([2-7][0-9a-f])/iy;
const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", shy: "", zwj: "", zwnj: "" };
/** Doubled marks of Markdown; a single one may be a mask ("f*ck") and is left to the reader of words. */
const emphasis = /\*{2,3}|_{2,3}|~~|`+/y;

/** Characters that show nothing: format characters and fillers. Variation selectors are marks, which go anyway. */
const invisible = /^(?:\p{Cf}|\u115f|\u1160|\u2800|\u3164|\uffa0)$/u;

interface Piece {
  chars: string;
  native: string;
}
const pieces = new Map<string, Piece>();

/** What one code point stands for; empty for a mark or an invisible character. */
function pieceOf(point: string): Piece {
  const known = pieces.get(point);
  if (known) return known;
  const table = openLookAlikes();
  let piece: Piece = { chars: "", native: "" };
  if (/\s/u.test(point)) piece = { chars: " ", native: " " };
  else if (!invisible.test(point)) {
    const own = table.get(point);
    const native = point === "ß" ? "ss" : point.normalize("NFKC").normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    piece = { native, chars: [...native].map((c) => own ?? table.get(c) ?? c).join("") };
    // What looks like a Latin letter but is a symbol (a squared or circled letter) has no script of its own.
    if (own !== undefined && !/\p{L}/u.test(native)) piece = { chars: own, native: own };
    if (piece.chars.length !== native.length && [...piece.chars].length !== [...native].length) piece.native = piece.chars;
  }
  if (pieces.size < 50_000) pieces.set(point, piece);
  return piece;
}

export function fold(text: string): Folded {
  const folded: Folded = { chars: [], native: [], at: [] };
  const push = (c: string, n: string, at: number): void => {
    folded.chars.push(c);
    folded.native.push(n);
    folded.at.push(at);
  };
  const pushPoint = (point: string, at: number): void => {
    const { chars, native } = pieceOf(point);
    const own = [...native];
    let i = 0;
    for (const c of chars) push(c, own[i++] ?? c, at);
  };
  for (let i = 0; i < text.length; ) {
    const code = text.charCodeAt(i);
    if ((code >= 97 && code <= 122) || code === 32 || (code >= 48 && code <= 57)) {
      push(text[i]!, text[i]!, i++);
      continue;
    }
    if (code >= 65 && code <= 90) {
      const lower = String.fromCharCode(code + 32);
      push(lower, lower, i++);
      continue;
    }
    const mark = code === 60 ? inlineTag : code === 38 ? entity : code === 92 || code === 37 ? escape : code === 42 || code === 95 || code === 126 || code === 96 ? emphasis : undefined;
    if (mark) {
      mark.lastIndex = i;
      const found = mark.exec(text);
      if (found) {
        if (mark === entity || mark === escape) {
          const point = mark === entity && found[3] ? named[found[3].toLowerCase()]! : fromNumber(mark === entity ? (found[1] ? Number(found[1]) : Number.parseInt(found[2]!, 16)) : Number.parseInt((found[1] ?? found[2] ?? found[3])!, 16));
          for (const c of point) pushPoint(c, i);
        }
        i = mark.lastIndex;
        continue;
      }
    }
    const point = String.fromCodePoint(text.codePointAt(i)!);
    pushPoint(point, i);
    i += point.length;
  }
  return folded;
}

const fromNumber = (code: number): string => (code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : " ");
