/** The progress of the whole demo beside that of its stage: which of the stages this is, how much is done, how long it will take. */
import type { Progress } from "../../progress.ts";
import { clock } from "../progress-bar.ts";

export interface Overall {
  /** Runs one stage. Only events that `counts` accepts move the share of the whole. */
  stage<T>(name: string, work: (progress: Progress) => Promise<T>): Promise<T>;
  /** Seconds that stages took in this process, by name. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** `expected` are the stages in order with the seconds that each may take. */
export function overallProgress(expected: readonly (readonly [name: string, seconds: number])[], progress: Progress, now: () => number = () => performance.now()): Overall {
  const whole = expected.reduce((sum, [, seconds]) => sum + seconds, 0);
  const seconds: Record<string, number> = {};
  const begun = now();
  let before = 0;
  // What was there already when it began says nothing about how fast this machine is.
  let found: number | undefined;
  return {
    seconds,
    async stage(name, work) {
      const index = expected.findIndex(([other]) => other === name);
      const mine = expected[index]![1];
      const started = now();
      let share = 0;
      const report: Progress = (event) => {
        // Within a stage the long part is the last; what comes before it is preparation.
        if (event.total !== undefined && event.total > 0 && event.unit === "steps") share = Math.max(share, event.done / event.total);
        const done = (before + share * mine) / whole;
        found ??= done;
        const left = done - found > 0.02 ? ((now() - begun) / (done - found)) * (1 - done) : undefined;
        const note = `demo ${Math.floor(done * 100)}%${left === undefined ? "" : `, about ${clock(left / 1000)} left`}`;
        progress({ ...event, stage: `${index + 1}/${expected.length} ${event.stage}`, note: event.note ? `${event.note}  ${note}` : note });
      };
      const result = await work(report);
      before += mine;
      seconds[name] = (now() - started) / 1000;
      return result;
    },
  };
}
