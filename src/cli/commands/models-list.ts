/** `orrery models list`: which models there are. */
import { defineCommand } from "../command.ts";
import { any } from "../options.ts";
import { quantity } from "../progress-bar.ts";

export const command = defineCommand({
  name: "models list",
  summary: "list the models that came with Orrery, were pulled, or lie in a folder",
  description: "Looks in the models/ folder that comes with Orrery and in that of this installation (ORRERY_HOME/models), where `orrery models pull` puts what it brings; folders that are named are searched too. Commands that take a model take its name here as well as a path.",
  examples: [
    { type: "orrery models list", does: "everything that is known" },
    { type: "orrery models list runs --json", does: "the models below a folder, too, as JSON" },
  ],
  args: { folders: any("folders to search besides", "DIR") },
  async run({ args, output }) {
    const { listModels, modelRoots } = await import("../../registry/index.ts");
    const roots = [...modelRoots(), ...args.folders.map((folder) => ({ folder, source: "a folder" }))];
    const models = await listModels(roots);
    if (models.length === 0) output.text(`no models yet in ${roots.map(({ folder }) => folder).join(", ")}; orrery models pull brings one, orrery train makes one`);
    else output.table([["name", "kind", "family", "size", "source", "licence"], ...models.map(({ name, kind, family, bytes, source, licence, problem }) => [name, kind, family ?? "", quantity(bytes, "bytes"), source, problem === undefined ? (licence?.name ?? "not said") : output.style.bad(problem)])]);
    output.data({ roots, models });
  },
});
