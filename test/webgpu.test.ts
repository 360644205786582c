/** The WebGPU provider of onnxruntime-node, on a Vulkan driver in software where there is one (Chromium brings SwiftShader). */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const driver = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib64/chromium-browser/vk_swiftshader_icd.json"].find((path) => existsSync(path));

interface Answer {
  losses: number[];
  w: number[];
  memory: number[];
}

function train(device: string): Answer {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "webgpu.mjs"), device], { encoding: "utf8", env: { ...process.env, VK_ICD_FILENAMES: driver } });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Answer;
}

// Without a driver in software this machine may have none at all; then there is nothing to try.
test.skipIf(!driver)("state stays on the device, and trains as on the CPU", () => {
  const [cpu, gpu] = [train("cpu"), train("webgpu")];
  expect(cpu.losses.at(-1)!).toBeLessThan(cpu.losses[0]!);
  for (const key of ["losses", "w", "memory"] as const) {
    expect(gpu[key]).toHaveLength(cpu[key].length);
    cpu[key].forEach((v, i) => expect(Math.abs(gpu[key][i]! - v), `${key} ${i}`).toBeLessThan(1e-3));
  }
}, 120_000);
