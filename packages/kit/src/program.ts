import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BackendUnavailableError } from "@residual/core";

/** A module that runs in a process or thread of its own. */
export interface Program {
  readonly path: string;
  /** Node's flags. Source needs the condition under which packages export their source. */
  readonly execArgv: readonly string[];
}

/**
 * The program `name` beside the module at `url`, of the package @residual/`owner`. A bundler to CommonJS leaves no URL.
 * Throws BackendUnavailableError if the program is missing.
 */
export function programBeside(url: string | undefined, name: string, owner: string): Program {
  const isSource = url?.endsWith(".ts") === true;
  const path = url && fileURLToPath(new URL(`./${name}.${isSource ? "ts" : "js"}`, url));
  if (path && existsSync(path)) return { path, execArgv: isSource ? ["--conditions=@residual/source"] : [] };
  throw new BackendUnavailableError(
    `${path ?? `${name}.js`} is missing, the code of another process or thread; a bundler has to leave ` +
      `@residual/${owner} out (external)`,
  );
}
