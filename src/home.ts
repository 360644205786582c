/** The folder of an installation, where it keeps what is its own: keys, the registry of what was made, models. */
import { homedir } from "node:os";
import { join } from "node:path";

export interface HomeOptions {
  /** Folder of the installation. Default `ORRERY_HOME`, else `~/.orrery`. */
  home?: string;
  env?: Readonly<Record<string, string | undefined>>;
}

export const orreryHome = ({ home, env = process.env }: HomeOptions = {}): string => home ?? (env["ORRERY_HOME"] || join(homedir(), ".orrery"));
