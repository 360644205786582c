/**
 * Trains the models that ship as `models/orrery-nano-*`, and a world model that does not yet, from nothing but the physics laboratory, with the commands that
 * everybody has. Stopped and started again it goes on where it was; a step that is finished costs a moment.
 *
 *   npm run build && node recipes/nano/train.mjs [--out runs/nano] [--threads N] [--only cv,dv,world] [--install]
 *
 * --install writes the finished models to models/, continuous ones rounded to float16.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..", "..");
const { values } = parseArgs({ options: { out: { type: "string", default: "runs/nano" }, threads: { type: "string" }, only: { type: "string" }, install: { type: "boolean", default: false } } });
const at = (...names) => join(values.out, ...names);

/** What is trained, in the order that each needs. `models` are installed. */
const steps = {
  cv: { args: ["train", "tokenizer", "--data", "lab:all?count=1500"], model: "orrery-nano-cv" },
  dv: { args: ["train", "tokenizer", "--data", "lab:all?count=1200"], model: "orrery-nano-dv" },
  world: { args: ["train", "diffusion", "--data", "lab:all?count=4000", "--tokenizer", at("cv", "model")], model: "orrery-nano" },
};

function orrery(args) {
  console.error(`$ orrery ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [join(root, "bin", "orrery.mjs"), ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

const only = values.only?.split(",") ?? Object.keys(steps);
for (const name of only) {
  if (!(name in steps)) throw new Error(`--only names ${name}; expected some of ${Object.keys(steps).join(", ")}`);
  orrery([...steps[name].args, "--out", at(name), "--config", join(here, `${name}.yaml`), ...(values.threads ? ["--threads", values.threads] : [])]);
}
if (values.install)
  for (const name of only) {
    const card = join(here, "cards", `${name}.md`);
    if (!existsSync(card)) {
      console.error(`${name} is not installed: there is no ${card} that says what it is`);
      continue;
    }
    const target = join(root, "models", steps[name].model);
    // diffusers has no class for discrete tokenizers; that one is small enough as it is.
    if (name === "dv") cpSync(at(name, "model"), target, { recursive: true });
    else orrery(["models", "export", at(name, "model"), "--format", "diffusers", "--weights", "f16", "-o", target]);
    copyFileSync(card, join(target, "README.md"));
    orrery(["models", "verify", "--record", target]);
  }
