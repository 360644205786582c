/** Guards that fail in the ways that a thread can, for the test of isolation. */
const guard = (check) => ({ model: "faulty", version: "1", strength: "pattern", covers: ["O1"], stages: ["prompt", "video"], check });

export const good = async () => guard(async () => ({ findings: [] }));
export const loops = async () => guard(async () => { for (;;); });
export const eats = async () => guard(async () => { const kept = []; for (;;) kept.push(Array.from({ length: 100_000 }, () => ({}))); });
export const exits = async () => guard(async () => process.exit(7));
export const throws = async () => guard(async () => { throw new Error("boom"); });
export const crashes = async () => guard(() => new Promise(() => setTimeout(() => { throw new Error("outside any promise"); }, 1)));
export const functions = async () => guard(async () => ({ findings: () => [] }));
export const unopened = async () => { throw new Error("no weights"); };
let calls = 0;
export const firstExits = async () => guard(async () => { if (calls++ === 0) globalThis.setTimeout(() => process.exit(1), 0); return new Promise((r) => setTimeout(() => r({ findings: [] }), calls === 1 ? 5000 : 0)); });
