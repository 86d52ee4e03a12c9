import type { Backend, BackendDescription, Executable, Graph, WorkOptions } from "@residual/core";

export interface ChosenBackend {
  readonly backend: Backend;
  readonly description: BackendDescription;
  /** The reason for the choice, in one line. */
  readonly reason: string;
}

/** A compiled graph, with the backend that was chosen for it. */
export interface CompiledGraph<Out extends string = string> extends ChosenBackend {
  readonly executable: Executable<"image", Out>;
}

/** Compiles graphs on a backend that may be chosen only once the graph is known. */
export interface Compiler {
  /** Starts the first steps of compiling a large network while its weights are read. */
  warmUp(): Promise<AsyncDisposable | undefined>;
  compile<Out extends string>(graph: Graph<"image", Out>, work: WorkOptions): Promise<CompiledGraph<Out>>;
}
