import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { resolveConfig } from "./overrides.ts";

const schema = z.strictObject({
  steps: z.number().int().min(1).default(100),
  size: z.tuple([z.number(), z.number()]).default([64, 64]),
  name: z.string().optional(),
  optimizer: z
    .strictObject({ lr: z.number().positive().default(1e-3), betas: z.array(z.number()).length(2).default([0.9, 0.99]) })
    .prefault({}),
  labels: z.record(z.string(), z.string()).default({}),
});

describe("resolveConfig", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "orrery-config-"));
  });
  const file = async (content: string): Promise<string> => {
    const path = join(dir, `${Math.random()}.yaml`);
    await writeFile(path, content);
    return path;
  };

  test("a flag beats key=value, which beats the file, which beats the default", async () => {
    const path = await file("steps: 7\noptimizer:\n  lr: 0.5\n  betas: [0.1, 0.2]\nname: from file\n");
    const config = await resolveConfig(schema, {
      file: path,
      overrides: ["optimizer.lr=2e-4", "steps=8"],
      flags: { steps: 9, name: undefined },
    });
    expect(config).toEqual({
      steps: 9,
      size: [64, 64],
      name: "from file",
      optimizer: { lr: 2e-4, betas: [0.1, 0.2] },
      labels: {},
    });
  });

  test("without any source everything is the default; an empty file counts as none", async () => {
    expect((await resolveConfig(schema, {})).optimizer.lr).toBe(1e-3);
    expect((await resolveConfig(schema, { file: await file("# nothing\n") })).steps).toBe(100);
  });

  test("values are YAML", async () => {
    const config = await resolveConfig(schema, { overrides: ["size=[32, 48]", "name='12'", "labels={a: b}", "labels.c=d"] });
    expect(config).toMatchObject({ size: [32, 48], name: "12", labels: { a: "b", c: "d" } });
  });

  test.each([
    [["stpes=3"], `"stpes" is not a setting; did you mean "steps"?`],
    [["optimizer.lrr=3"], `"optimizer.lrr" is not a setting; did you mean "optimizer.lr"?`],
    [["lr=3"], `"lr" is not a setting; did you mean "optimizer.lr"?`],
    [["zzzzzz=3"], `"zzzzzz" is not a setting; known here: steps, size, name, optimizer, labels`],
    [["__proto__.x=3"], `"__proto__" is not a setting`],
    [["constructor=3"], `"constructor" is not a setting`],
    [["steps.more=3"], "steps"],
    [["steps"], `"steps" is not a setting; expected key=value`],
    [["=3"], `"=3" is not a setting; expected key=value`],
    [["name=[1"], `the value of "name=[1" is not YAML`],
    [["steps=0"], `steps is 0 (from "steps=0"): Too small`],
    [["steps=many"], `steps is "many" (from "steps=many"): Invalid input: expected number`],
    [["optimizer=3"], `optimizer is 3`],
  ])("%j is refused", async (overrides, message) => {
    await expect(resolveConfig(schema, { overrides })).rejects.toThrow(message);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });

  test("a bad file is named, with the key", async () => {
    const path = await file("optimiser:\n  lr: 1\n");
    await expect(resolveConfig(schema, { file: path })).rejects.toMatchObject({
      code: "bad_config",
      message: `${path}: "optimiser" is not a setting; did you mean "optimizer"?`,
    });
    await expect(resolveConfig(schema, { file: await file("a: [") })).rejects.toMatchObject({ code: "bad_config" });
    await expect(resolveConfig(schema, { file: await file("- 1\n") })).rejects.toThrow("holds a list");
    await expect(resolveConfig(schema, { file: join(dir, "none.yaml") })).rejects.toMatchObject({ code: "file_not_found" });
  });

  test("keys of a union's variants are known", async () => {
    const union = z.strictObject({
      loss: z.discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("l1"), weight: z.number() }),
        z.strictObject({ kind: z.literal("gram"), layers: z.number() }),
      ]),
    });
    expect(await resolveConfig(union, { overrides: ["loss.kind=gram", "loss.layers=2"] })).toEqual({ loss: { kind: "gram", layers: 2 } });
    await expect(resolveConfig(union, { overrides: ["loss.kind=l1", "loss.wieght=2"] })).rejects.toThrow(`did you mean "loss.weight"`);
  });
});
