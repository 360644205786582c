/** Eighteen ways to write a word so that a list does not find it, and a few more that are reported beside them. */
import { random } from "../../recipes/guard-classifier/grammar.mjs";

const next = random(7);
const leet = { a: "4", e: "3", i: "1", o: "0", s: "5", t: "7", b: "8", g: "9" };
const symbols = { a: "@", s: "$", i: "!", l: "|", t: "+", e: "€", c: "¢" };
const cyrillic = { a: "а", e: "е", o: "о", p: "р", c: "с", x: "х", y: "у", i: "і", s: "ѕ", h: "һ", k: "к", m: "м", t: "т", n: "п" };
const mapped = (table) => (word) => [...word].map((c) => table[c] ?? c).join("");
const shifted = (base) => (word) => [...word].map((c) => String.fromCodePoint(base + c.charCodeAt(0) - 97)).join("");
const vowel = (word) => {
  const i = [...word].findIndex((c, at) => at > 0 && "aeiou".includes(c));
  return i < 0 ? word.length - 2 : i;
};
const half = (word) => word.length >> 1;
const smallCaps = [..."ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡxʏᴢ"];

export const disguises = {
  "mixed case": (w) => [...w].map((c, i) => (i % 2 ? c.toUpperCase() : c)).join(""),
  plural: (w) => (/(?:s|x|z|ch|sh)$/.test(w) ? `${w}es` : /[^aeiou]y$/.test(w) ? `${w.slice(0, -1)}ies` : `${w}s`),
  "leet digits": mapped(leet),
  "leet symbols": mapped(symbols),
  "repeated letter": (w) => w.slice(0, vowel(w)) + w[vowel(w)].repeat(5) + w.slice(vowel(w) + 1),
  "zero-width": (w) => [...w].join("\u200b"),
  "soft hyphen": (w) => [...w].join("\u00ad"),
  "Cyrillic look-alikes": mapped(cyrillic),
  "full width": shifted(0xff41),
  "mathematical bold": shifted(0x1d41a),
  "combining accents": (w) => [...w].map((c) => `${c}\u0301`).join(""),
  "spaced letters": (w) => [...w].join(" "),
  "dotted letters": (w) => [...w].join("."),
  "hyphen inside": (w) => `${w.slice(0, half(w))}-${w.slice(half(w))}`,
  "masked vowel": (w) => `${w.slice(0, vowel(w))}*${w.slice(vowel(w) + 1)}`,
  "Markdown and HTML": (w) => `${w.slice(0, 1)}**${w.slice(1, half(w) + 1)}**<b>${w.slice(half(w) + 1)}</b>`,
  embedded: (w) => `oh${w}no`,
  transposed: (w) => {
    const i = 1 + Math.floor(next() * (w.length - 2));
    return w.slice(0, i) + w[i + 1] + w[i] + w.slice(i + 2);
  },
};

export const furtherDisguises = {
  "small capitals": (w) => [...w].map((c) => smallCaps[c.charCodeAt(0) - 97] ?? c).join(""),
  circled: shifted(0x24d0),
  "HTML entities": (w) => [...w].map((c) => `&#${c.charCodeAt(0)};`).join(""),
  backwards: (w) => [...w].reverse().join(""),
  "space inside": (w) => `${w.slice(0, half(w))} ${w.slice(half(w))}`,
  "vowel left out": (w) => w.slice(0, vowel(w)) + w.slice(vowel(w) + 1),
};
