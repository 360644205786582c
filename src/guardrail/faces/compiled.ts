/** Graphs for pictures of different sizes, compiled when one comes and kept while they are in use. */
import { compile, input, type Tensor, type Weight } from "../../tensor/index.ts";
import { hostTensor, type Executable, type HostTensor, type Runtime } from "../../tensor/runtime/node.ts";
import type { Picture } from "../../video/index.ts";

/** Different sizes that stay compiled; a video needs two or three. */
const mostSizes = 6;

export interface PictureGraphs {
  /** Runs the graph for the picture's size; its bytes go in as `pictures` [1, H, W, 3]. */
  run(picture: Picture): Promise<Record<string, HostTensor>>;
  release(): Promise<void>;
}

/** `build` makes the outputs from the pictures; parameters that it declares get their `weights`. */
export function pictureGraphs(runtime: Runtime, weights: ReadonlyMap<string, Weight>, weightsFolder: string | undefined, build: (pictures: Tensor) => Record<string, Tensor>): PictureGraphs {
  const compiled = new Map<string, Promise<Executable>>();
  const forSize = ({ width, height }: Picture): Promise<Executable> => {
    const key = `${width} ${height}`;
    const found = compiled.get(key) ?? runtime.load(compile({ outputs: build(input("pictures", [1, height, width, 3], "uint8")), weights, target: runtime.device }), weightsFolder === undefined ? {} : { weightsFolder });
    // The one used last stands last; the first is the one to give up.
    compiled.delete(key);
    compiled.set(key, found);
    if (compiled.size > mostSizes) {
      const [oldest, leaving] = compiled.entries().next().value!;
      compiled.delete(oldest);
      void leaving.then((executable) => executable.release(), () => {});
    }
    return found;
  };
  return {
    run: async (picture) => (await forSize(picture)).run({ pictures: hostTensor("uint8", [1, picture.height, picture.width, 3], picture.pixels) }),
    async release() {
      const all = [...compiled.values()];
      compiled.clear();
      for (const one of all) await one.then((executable) => executable.release(), () => {});
    },
  };
}
