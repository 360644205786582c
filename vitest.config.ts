import { defineConfig } from "vitest/config";

/**
 * Unit tests stand beside their source, tests of the whole house in test/. Long work runs in worker threads, which load the
 * built dist/, so tests count on the build that scripts/setup.mjs makes.
 */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", ".cache/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", "./scripts/summary-reporter.mjs"],
  },
});
