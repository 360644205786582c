/** What a thread of the laboratory is asked and answers. */
import { writeFileAtomic } from "../partial-file.ts";
import { writeClips } from "../video/index.ts";
import { clipPaths, metaOf, type ClipMeta } from "./lab-layout.ts";
import { openLaboratory, type ClipKey, type LabClip, type LabSettings } from "./laboratory.ts";

export type LabTask =
  | { kind: "render"; keys: ClipKey[]; settings: LabSettings }
  | { kind: "write"; keys: ClipKey[]; settings: LabSettings; folder: string };

export type LabAnswer = { kind: "render"; clips: LabClip[] } | { kind: "write"; metas: ClipMeta[] };

export async function performTask(task: LabTask): Promise<LabAnswer> {
  const laboratory = await openLaboratory();
  const clips = task.keys.map((key) => laboratory.render(key, task.settings));
  if (task.kind === "render") return { kind: "render", clips };
  const files = clips.map((clip) => ({ clip, paths: clipPaths(clip.key, task.settings) }));
  await writeClips(files.map(({ clip, paths }) => ({ clip, path: `${task.folder}/${paths.clip}` })));
  const metas: ClipMeta[] = [];
  for (const { clip, paths } of files) {
    await writeFileAtomic(`${task.folder}/${paths.truth}`, JSON.stringify(clip.truth));
    const meta = await metaOf(clip, task.settings, task.folder);
    // Last of the three: a clip is finished when its metadata is there.
    await writeFileAtomic(`${task.folder}/${paths.meta}`, `${JSON.stringify(meta, null, 2)}\n`);
    metas.push(meta);
  }
  return { kind: "write", metas };
}
