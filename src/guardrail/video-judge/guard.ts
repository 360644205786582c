/**
 * A vision-language model as guard of videos, behind an OpenAI-compatible endpoint, for the categories that no classifier
 * covers. It is shown the frames that the policy samples, a few at a time and made smaller, as pictures. Slow and costly, so
 * it is in no standard policy; `frames.sampleFps` and `frames.maxFrames` of its entry say how much it sees.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { endpointSchema, type ImagePart, type TextPart } from "../../language/index.ts";
import { encodePng, frameAt, resample, type Clip } from "../../video/index.ts";
import { openPolicyModel, parseOptions } from "../language-model/guard.ts";
import type { PolicyEntry } from "../policy.ts";
import { categoryIds, type CategoryId } from "../taxonomy.ts";
import type { Finding, Guard } from "../verdict.ts";
import { judgeTask, readJudgement } from "./answers.ts";

const shape = z.strictObject({
  endpoint: endpointSchema,
  /** What it is asked about; all of it, if absent. */
  categories: z.array(z.enum(categoryIds as [CategoryId, ...CategoryId[]])).min(1).default([...categoryIds]),
  framesPerRequest: z.number().int().min(1).max(64).default(4),
  /** Longer sides are made this long. */
  maxSide: z.number().int().min(64).max(4096).default(512),
});

export async function openVideoJudge(entry: PolicyEntry): Promise<Guard> {
  const { endpoint, categories, framesPerRequest, maxSide } = parseOptions(entry, shape);
  const model = await openPolicyModel(entry, { endpoint });
  const digest = createHash("sha256").update(judgeTask(categories, 1)).digest("hex").slice(0, 12);
  return {
    model: model.name,
    version: `${model.version}, task ${digest}`,
    strength: "large-model",
    covers: [...new Set(categories)],
    stages: ["video"],
    check: async (subject, { signal }) => {
      if (subject.stage !== "video") throw new Error("it looks at videos only");
      const { clip } = subject;
      const findings: Finding[] = [];
      for (let first = 0; first < clip.frameCount; first += framesPerRequest) {
        const count = Math.min(framesPerRequest, clip.frameCount - first);
        const pictures = Array.from({ length: count }, (_, i): (TextPart | ImagePart)[] => [{ type: "text", text: `Frame ${i}:` }, { type: "image", mediaType: "image/png", bytes: picture(clip, first + i, maxSide) }]);
        const { text, finish } = await model.chat([{ role: "user", content: [{ type: "text", text: judgeTask(categories, count) }, ...pictures.flat()] }], { maxTokens: 300 + 300 * count, temperature: 0 }, { signal, json: true });
        if (finish !== "stop") throw new Error(`its answer was cut (${finish})`);
        const found = readJudgement(text, count, first);
        const strange = found.find(({ category }) => !categories.includes(category));
        if (strange) throw new Error(`it speaks of ${strange.category}, which it was not asked about`);
        findings.push(...found);
      }
      return { findings, framesChecked: clip.frameCount };
    },
    close: () => model.close(),
  };
}

function picture(clip: Clip, index: number, maxSide: number): Uint8Array {
  const frame = frameAt(clip, index);
  const scale = maxSide / Math.max(frame.width, frame.height);
  if (scale >= 1) return encodePng(frame);
  return encodePng(resample(frame, Math.max(1, Math.round(frame.width * scale)), Math.max(1, Math.round(frame.height * scale))));
}
