import { expect, test } from "vitest";
import { clipId, uuid5 } from "./uuid.ts";

test("ids are Python's: uuid.uuid5(uuid.NAMESPACE_URL, ...), floats written as Python writes them", () => {
  expect(uuid5("python.org")).toBe("7af94e2b-4dd9-50f0-9c9a-8a48519bdef0");
  expect(clipId("/videos/a.mp4", 2, 7.5)).toBe("0455f0bc-2c50-5140-a9a4-65c1e7f3028e");
});
