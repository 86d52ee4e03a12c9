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

/** The functions that depend on the platform. `index.ts` and `browser.ts` export those for their platform. */
export interface FrontDoor {
  /**
   * Loads a classifier by names: `await load()` for the weights that ship with the package, `await load({ model:
   * "resnet50", weights: "r50.safetensors" })` for others.
   *
   * Throws OptionError (an UnsupportedError) for an unknown option or name, WeightsError if weights and model do not
   * fit, FormatError for a damaged file, BackendUnavailableError if the backend's runtime is missing, AbortError. After
   * an error everything that was opened is closed.
   */
  readonly load: Load;
  /** A backend by name. Throws BackendUnavailableError if its adapter is missing. */
  readonly backendNamed: (name: BackendName, options?: BackendOptions) => Promise<Backend>;
  /**
   * Resolves a backend: an object itself, a name, a module's path, or with `auto` the best available one for a network
   * of `macs` multiply-adds (default: a small network).
   *
   * Throws OptionError for an unknown name or a module without a backend, and errors of `describe` if the runtime of a
   * named backend is missing.
   */
  readonly chooseBackend: (
    source: BackendSource,
    options?: BackendOptions & { readonly macs?: number },
  ) => Promise<ChosenBackend>;
  /**
   * Compiles a graph on a backend. With `auto` the next backend is tried if one does not load or fails to compile the
   * graph; two of similar speed are timed, and the choice is stored for this machine. Throws as `chooseBackend` does,
   * and errors of the backend's `compile`.
   */
  readonly compileOn: <Out extends string>(
    source: BackendSource,
    graph: Graph<"image", Out>,
    options?: BackendOptions & WorkOptions,
  ) => Promise<CompiledGraph<Out>>;
  /**
   * Prepares a model, and compiles the graph that `graphOf` returns. Throws as `prepare`, `compileOn` and `graphOf` do.
   */
  readonly prepareOn: <Out extends string>(
    source: BackendSource,
    options: PrepareOptions & BackendOptions,
    graphOf: (prepared: Prepared) => Graph<"image", Out>,
  ) => Promise<CompiledGraph<Out> & { readonly prepared: Prepared }>;
  /** Throws OptionError for a text that is neither a backend's name nor a path of a module. */
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
