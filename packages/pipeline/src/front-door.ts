import type { Backend, Graph, WorkOptions } from "@residual/core";
import { type BackendSource, Chooser, checkBackend } from "./backends/choose.ts";
import type { ChosenBackend, CompiledGraph } from "./backends/compiler.ts";
import type { BackendOptions } from "./backends/options.ts";
import { type BackendName, createBackend } from "./backends/table.ts";
import { prepareOn } from "./compile.ts";
import type { PrepareOptions } from "./identify.ts";
import { type Load, type LoadOptions, loadOn } from "./load.ts";
import type { Platform } from "./platform/platform.ts";
import type { Prepared } from "./prepare.ts";

/** What depends on the platform. `index.ts` and `browser.ts` export it for theirs. */
export interface FrontDoor {
  /**
   * From names to a model that classifies: `await load()` for the weights that ship with the package, `await load({
   * model: "resnet50", weights: "r50.safetensors" })` for others.
   *
   * Throws OptionError, an UnsupportedError, for an option or a name that nothing has, WeightsError where weights and
   * model do not fit, FormatError for a broken file, BackendUnavailableError where the backend's runtime is missing,
   * AbortError. What was opened until then is closed.
   */
  readonly load: Load;
  /** A backend by its name. Throws BackendUnavailableError where its adapter is missing. */
  readonly backendNamed: (name: BackendName, options?: BackendOptions) => Promise<Backend>;
  /**
   * The backend that is meant: itself, by its name, by a module's path, or with `auto` the best that is available for a
   * network of `macs` multiply-adds, a small one where not given.
   *
   * Throws OptionError for an unknown name or a module without a backend, and what `describe` throws where the runtime
   * of a named backend is missing.
   */
  readonly chooseBackend: (
    source: BackendSource,
    options?: BackendOptions & { readonly macs?: number },
  ) => Promise<ChosenBackend>;
  /**
   * Compiles a graph on the backend that is meant. With `auto` it goes on to the next backend where one does not load,
   * or fails to compile the graph; of two that may be as quick both are timed, and the choice is kept for this machine.
   * Throws as `chooseBackend`, and what the backend's `compile` throws.
   */
  readonly compileOn: <Out extends string>(
    source: BackendSource,
    graph: Graph<"image", Out>,
    options?: BackendOptions & WorkOptions,
  ) => Promise<CompiledGraph<Out>>;
  /**
   * Prepares a model, and compiles what `graphOf` makes of it. Throws as `prepare` and `compileOn`, and as `graphOf`.
   */
  readonly prepareOn: <Out extends string>(
    source: BackendSource,
    options: PrepareOptions & BackendOptions,
    graphOf: (prepared: Prepared) => Graph<"image", Out>,
  ) => Promise<CompiledGraph<Out> & { readonly prepared: Prepared }>;
  /** Throws OptionError for what is neither one of the names nor the path of a module that exports a backend. */
  readonly checkBackend: (name: string, names?: readonly string[]) => Promise<void>;
}

export function frontDoor(platform: Platform): FrontDoor {
  return {
    load: ((options?: LoadOptions) => loadOn(platform, options)) as Load,
    backendNamed: (name, options = {}) => createBackend(name, options, platform),
    chooseBackend: async (source, { macs = 0, ...options } = {}) => new Chooser(source, options, platform).choose(macs),
    compileOn: async (source, graph, options = {}) => new Chooser(source, options, platform).compile(graph, options),
    prepareOn: (source, options, graphOf) => prepareOn(source, options, graphOf, platform),
    checkBackend: (name, names) => checkBackend(name, platform, names),
  };
}
