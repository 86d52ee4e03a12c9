import type { Backend } from "@residual/core";
import type { BackendOptions } from "../backends/options.ts";

/**
 * A backend in a child process of its own: a name, `auto`, or the path of a module that exports one. A crash of a
 * native runtime, or the end of a thread in mid run, then ends the child, and not this process.
 *
 * The child starts with the first `describe` or `compile`, and ends a second after the last `dispose`, or with this
 * process. It reads weights that lie in a file by itself; others reach it through a temporary file. Runs take some
 * milliseconds longer than in this process. `compile` and `run` throw DeviceLostError where the child ends; the next
 * `compile` starts another.
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
