/** The edges of stdout and stderr: readers that leave early, and text still on its way when the process ends. */

/**
 * A reader that leaves (`orrery inspect model | head`) is no failure, and must not kill a training run either: what is
 * written afterwards goes nowhere, and the work goes on.
 */
export function tolerateLostReaders(streams: readonly NodeJS.WriteStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") throw error;
      stream.write = () => true;
    });
  }
}

/** Resolves when everything written so far has left the process; pipes are asynchronous, and `process.exit` does not wait. */
export async function settled(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => flushed(stream)));
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once("drain", resolve).once("error", resolve).once("close", resolve);
  });
}
