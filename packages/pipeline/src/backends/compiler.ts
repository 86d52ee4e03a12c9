import type { Backend, BackendDescription, Executable, Graph, WorkOptions } from "@residual/core";

export interface ChosenBackend {
  readonly backend: Backend;
  readonly description: BackendDescription;
  /** Why this one, in one line for people. */
  readonly reason: string;
}

/** A graph made ready on the backend that was chosen for it. */
export interface CompiledGraph<Out extends string = string> extends ChosenBackend {
  readonly executable: Executable<"image", Out>;
}

/** What compiles graphs, on a backend that may be chosen only when the graph is known. */
export interface Compiler {
  /** Begins what compiling a large network needs first, while its weights are read. */
  warmUp(): Promise<AsyncDisposable | undefined>;
  compile<Out extends string>(graph: Graph<"image", Out>, work: WorkOptions): Promise<CompiledGraph<Out>>;
}
