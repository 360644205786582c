/** What the commands of the laboratory share. */
import { OrreryError } from "../errors.ts";
import type { ScenarioName } from "../physics/index.ts";
import { didYouMean } from "./suggest.ts";

/** Scenario names as typed, checked; none means all. @throws `bad_argument`. */
export async function labScenarios(given: readonly string[]): Promise<readonly ScenarioName[]> {
  const { scenarioNames } = await import("../physics/index.ts");
  for (const name of given) {
    if (scenarioNames.includes(name as ScenarioName)) continue;
    throw new OrreryError("bad_argument", `--scenario is "${name}"; expected one of ${scenarioNames.join(", ")}${didYouMean(name, scenarioNames)}`);
  }
  return given.length === 0 ? scenarioNames : (given as ScenarioName[]);
}
