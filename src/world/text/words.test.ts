/** Whole words as numbers. The expected numbers are those of Hugging Face's `tokenizers` 0.23 for the same `tokenizer.json`. */
import { describe, expect, test } from "vitest";
import { collectWords, encodeWords, parseWords, unknownWords, wordsJson } from "./words.ts";

const words = collectWords(["A red ball, falls! on the floor.", "a red cube-like x_y thing's 3.5 ½ Éa"], { least: 1 });
const numbers = (text: string, length = 24): number[] => [...encodeWords(words, text, length).tokens].map(Number);

describe("words", () => {
  test.each([
    ["A red ball falls.", [4, 5, 14, 16, 3, 1]],
    ["The RED, cube-like?!thing's   3.5 ½ éa unknown x_y", [21, 5, 8, 15, 9, 18, 2, 22, 7, 20, 12, 3, 13, 10, 25, 11, 24, 2, 23, 1]],
    ["", [1]],
  ])("%j", (text, expected) => {
    const { tokens, mask } = encodeWords(words, text, 24);
    expect([...tokens].map(Number)).toEqual([...expected, ...new Array<number>(24 - expected.length).fill(0)]);
    expect([...mask]).toEqual(Array.from({ length: 24 }, (_, i) => (i < expected.length ? 1 : 0)));
  });

  test("a long text is cut and still ends", () => expect(numbers("a red ball falls on the floor", 4)).toEqual([4, 5, 14, 1]));

  test("says which words it does not know", () => expect(unknownWords(words, "A green ball, and a GREEN floor")).toEqual(["green", "and"]));

  test("rare words are left out, frequent ones come first", () => {
    expect(collectWords(["b a b", "c b a"]).list).toEqual(["<pad>", "</s>", "<unk>", "b", "a"]);
    expect(collectWords(["b a b", "c b a"], { least: 1, most: 4 }).list).toEqual(["<pad>", "</s>", "<unk>", "b"]);
  });

  test("comes back from its file", () => expect(parseWords(JSON.parse(JSON.stringify(wordsJson(words))), "tokenizer.json").list).toEqual(words.list));

  test.each([
    ["another kind", { model: { type: "BPE", vocab: {} } }, /whole words/],
    ["gaps", { model: { type: "WordLevel", vocab: { "<pad>": 0, "</s>": 1, "<unk>": 2, a: 9 } } }, /without gaps/],
    ["no special words", { model: { type: "WordLevel", vocab: { a: 0, b: 1, c: 2 } } }, /must begin with/],
  ])("refuses %s", (_, json, message) => expect(() => parseWords(json, "tokenizer.json")).toThrow(message));
});
