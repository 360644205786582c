/** `orrery models verify`: is a model what it was when it came? */
import { OrreryError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { one, toggle } from "../options.ts";

export const command = defineCommand({
  name: "models verify",
  summary: "check a model's files against their recorded hashes, and its tensors against its configuration",
  description: "Every file is read through and compared with the SHA-256 in the folder's orrery.lock.json, where there is one; then every component is opened and each of its tensors must be there in the shape that the configuration makes. --record writes the lock of a model that was made here, after the tensors were found right.",
  examples: [
    { type: "orrery models verify owner/model", does: "check a model that was pulled" },
    { type: "orrery models verify runs/world/model --record", does: "record the hashes of a model before handing it on" },
  ],
  args: { model: one("name or folder of a model", "MODEL") },
  options: { record: toggle({ help: "write orrery.lock.json from the files as they are" }) },
  async run({ args, options, output, progress, signal }) {
    const [{ findModel, hashFiles, licenceOf, readLock, writeLock }, { checkModel }] = await Promise.all([import("../../registry/index.ts"), import("../models/check.ts")]);
    const folder = await findModel(args.model);
    if (options.record && (await readLock(folder))?.source !== undefined) throw new OrreryError("bad_argument", `${folder} was pulled, and its lock says what it was then; a lock made anew would hide what has changed since. Copy the folder without its orrery.lock.json to record it as your own`);
    const check = await checkModel(folder, { progress, signal, ...(options.record ? { withoutFiles: true } : {}) });
    for (const { name, className, tensors, problem, unknown } of check.components)
      output.text(`${problem === undefined ? (unknown === undefined ? output.style.good("right") : output.style.warn("unknown")) : output.style.bad("wrong")}  ${name}${className === undefined ? "" : ` (${className})`}: ${problem ?? unknown ?? `${tensors} tensors`}`);
    if (options.record && check.isWhole) {
      const licence = await licenceOf(folder);
      const files = await hashFiles(folder, { progress, signal });
      await writeLock(folder, { version: 1, at: new Date().toISOString(), ...(licence ? { licence } : {}), files });
      output.text(`${Object.keys(files).length} files are recorded in ${folder}/orrery.lock.json`);
    } else if (check.files) {
      const { same, changed, missing, extra } = check.files;
      for (const [what, paths] of [["changed", changed], ["missing", missing], ["not recorded", extra]] as const) for (const path of paths) output.text(`${output.style.bad(what)}  ${path}`);
      output.text(`${same} of ${same + changed.length + missing.length} recorded files are as they were`);
    } else output.text("no hashes are recorded, so only the tensors were checked; --record writes them down");
    output.data(check);
    if (!check.isWhole) throw new OrreryError("bad_checkpoint", `${folder} is not as it must be: ${[...(check.files ? [...check.files.changed, ...check.files.missing, ...check.files.extra] : []), ...check.components.filter((c) => c.problem !== undefined).map((c) => c.name)].slice(0, 5).join(", ")}. Bring it again, or from another source`);
  },
});
