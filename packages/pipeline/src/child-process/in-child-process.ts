import type { Backend } from "@residual/core";
import type { BackendOptions } from "../backends/options.ts";

/**
 * A backend in a separate child process: a name, `auto`, or the path of a module that exports one. A crash of a native
 * runtime, or the end of a thread during a run, then ends the child instead of this process.
 *
 * The child starts with the first `describe` or `compile`, and ends one second after the last `dispose`, or with this
 * process. It reads weights of files itself; other weights are passed in a temporary file. Runs take a few milliseconds
 * longer than in this process. `compile` and `run` throw DeviceLostError if the child ends; the next `compile` starts a
 * new child.
 */
export function inChildProcess(name: string, options: BackendOptions = {}): Backend {
  let made: Promise<Backend> | undefined;
  const backend = () => {
    made ??= import("./backend.ts").then(({ ChildCompiler }) => new ChildCompiler(name, options).backend);
    return made;
  };
  return {
    name,
    describe: async () => (await backend()).describe(),
    compile: async (graph, work) => (await backend()).compile(graph, work),
  };
}
