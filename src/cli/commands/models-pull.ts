/** `orrery models pull`: brings a model from a hub or a server that the user names. */
import { defineCommand } from "../command.ts";
import { list, number, one, text, toggle } from "../options.ts";
import { quantity } from "../progress-bar.ts";

export const command = defineCommand({
  name: "models pull",
  summary: "bring a model from a hub or a URL, with its hashes checked and its licence accepted",
  description:
    "SOURCE is hf:OWNER/NAME[@REVISION] on the hub at --endpoint (one that speaks like Hugging Face's), or an https URL of a checkpoint or of an orrery.lock.json with its model around it. The licence is shown first, and weights come only with --accept-licence, which is written down. What was cut off goes on where it was; every file must have the hash that the hub or the lock promises; pickles, which can hold programs, are left out. HF_TOKEN is sent to the hub and nowhere else. The model then stands in ORRERY_HOME/models under its name.",
  examples: [
    { type: "orrery models pull hf:owner/model --endpoint https://hub.example", does: "show what a model is under which licence; take nothing but its card" },
    { type: "orrery models pull hf:owner/model@v1.0 --accept-licence --include 'transformer/*' 'vae/*'", does: "two parts of a version, from the hub in HF_ENDPOINT" },
    { type: "orrery models pull https://example.org/models/mine/orrery.lock.json --accept-licence", does: "a model that somebody serves as files" },
  ],
  args: { source: one("where it is", "SOURCE") },
  options: {
    endpoint: text({ metavar: "URL", help: "address of the hub (default: HF_ENDPOINT)" }),
    acceptLicence: toggle({ help: "accept the licence that is shown" }),
    name: text({ metavar: "NAME", help: "its name here (default: OWNER/NAME, or that of the file)" }),
    include: list({ metavar: "PATTERN", help: "only these files, besides cards and configurations; * and ? are wild" }),
    sha256: text({ metavar: "HEX", help: "what the file at a URL must be" }),
    allowPickle: toggle({ help: "take pickles (.pt, .pth, .ckpt, .bin) as well" }),
    maxSize: number({ min: 0.001, max: 100_000, default: 64, metavar: "GB", help: "gigabytes at most" }),
  },
  async run({ args, options, output, progress, signal }) {
    const { modelHome, pullModel } = await import("../../registry/index.ts");
    const { endpoint = process.env["HF_ENDPOINT"] || undefined, acceptLicence, maxSize, ...rest } = options;
    const result = await pullModel(args.source, {
      ...rest, home: modelHome(), endpoint, token: process.env["HF_TOKEN"] || undefined, mostBytes: maxSize * 1e9, progress, signal,
      acceptLicence({ name, link, text: words }) {
        output.text(`${output.style.bold(`licence: ${name}`)}${link === undefined ? "" : ` (${link})`}`);
        if (words !== undefined) output.text(words.trim());
        return acceptLicence;
      },
    });
    for (const { path, reason } of result.leftOut) output.text(`left out: ${path} ${reason}`);
    output.text(result.kept ? `${result.name} is here already: ${result.folder}` : `${result.name}: ${result.files} files, ${quantity(result.bytes, "bytes")}, in ${result.folder}`);
    output.data(result);
  },
});
