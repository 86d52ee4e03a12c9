import {
  type Backend,
  type BackendDescription,
  BackendUnavailableError,
  DeviceLostError,
  type Graph,
  type ResidualError,
  summarize,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { isSoftwareAdapter } from "@residual/kit/gpu";
import { unknownName } from "@residual/kit/names";
import { kindOf } from "../kind-of.ts";
import { OptionError } from "../option-error.ts";
import type { Platform } from "../platform/platform.ts";
import { faultIn } from "./answers.ts";
import type { ChosenBackend, CompiledGraph, Compiler } from "./compiler.ts";
import { isBackend } from "./is-backend.ts";
import { keptOn } from "./kept.ts";
import { keptChoice, type Measured, runtimeOf } from "./kept-choice.ts";
import type { BackendOptions } from "./options.ts";
import { type Candidate, type Compiled, quicker } from "./quicker.ts";
import { LARGE, type Ranked, rankBackends } from "./rank.ts";
import { type BackendName, backendNames, checkThreads, createBackend } from "./table.ts";

/** A backend, a backend's name, `auto`, or the path of a module that exports a backend: `./mine.ts`. */
export type BackendSource = Backend | string;

/** A backend that was not chosen. */
interface Passed {
  readonly name: string;
  readonly why: string;
  /** A message for the user: the backend is installed, but does not work. */
  readonly fault?: string;
}

/** Native runtimes, whose results `auto` checks before their first use. webgpu tests its kernels itself. */
const CHECKED: ReadonlySet<BackendName> = new Set(["onnx", "tfjs-node"]);

/**
 * Chooses a backend for one network. A named backend is taken, or its error thrown. `auto` takes the best backend that
 * works: it tries the next one if a runtime is missing, does not load, gives wrong results, or fails to compile the
 * network. If the choice can be stored, two backends of similar speed are timed.
 */
export class Chooser implements Compiler {
  readonly #source: BackendSource;
  readonly #options: BackendOptions;
  readonly #platform: Platform;
  readonly #create: (name: BackendName) => Promise<Backend>;
  /** Why each checked backend was not chosen; undefined if its results are right. */
  readonly #checked = new Map<BackendName, Promise<Passed | undefined>>();

  /** `create` makes a backend from its name. */
  constructor(source: BackendSource, options: BackendOptions, platform: Platform, create = createBackend) {
    checkThreads(options);
    this.#source = source;
    this.#options = { ...options, onWarning: options.onWarning ?? platform.warn };
    this.#platform = platform;
    const created = new Map<BackendName, Promise<Backend>>();
    this.#create = (name) => {
      const backend = created.get(name) ?? create(name, this.#options, platform);
      created.set(name, backend);
      return backend;
    };
  }

  /**
   * The backend for a network with this number of multiply-adds, before it is compiled. Throws OptionError for an
   * unknown name or a module without a backend, and errors of `describe` if a named backend's runtime is missing.
   */
  async choose(macs: number): Promise<ChosenBackend> {
    if (this.#source !== "auto") return describedAsAsked(await this.#resolve(this.#source));
    const passed: Passed[] = [];
    return this.#tell(await this.#best(macs, passed), passed);
  }

  /** Starts the first steps of compiling a large network while its weights are read. */
  async warmUp(): Promise<AsyncDisposable | undefined> {
    try {
      const backend =
        this.#source === "auto" ? (await this.#best(LARGE, [])).backend : await this.#resolve(this.#source);
      return backend.warmUp?.();
    } catch {
      return undefined; // compile reports the error
    }
  }

  async #best(macs: number, passed: Passed[]): Promise<Candidate> {
    const order = rankBackends({ platform: this.#platform.name, macs });
    for await (const candidate of this.#candidates(order, passed)) return candidate;
    throw nothingWorks(passed);
  }

  /** Compiles a graph. Throws as `choose` does, and errors of the backend's `compile`. */
  async compile<Out extends string>(graph: Graph<"image", Out>, work: WorkOptions): Promise<CompiledGraph<Out>> {
    if (this.#source === "auto") return this.#compileOnBest(graph, work);
    // compile also reports a missing runtime, and need not wait for the description
    const backend = await this.#resolve(this.#source);
    const executable = await backend.compile(graph, work);
    try {
      return { ...(await describedAsAsked(backend)), executable };
    } catch (error) {
      await executable.dispose();
      throw error;
    }
  }

  async #compileOnBest<Out extends string>(graph: Graph<"image", Out>, work: WorkOptions): Promise<CompiledGraph<Out>> {
    const order = rankBackends({ platform: this.#platform.name, macs: summarize(graph).macs });
    const hasRivals = order.some(({ rival }) => rival);
    const kept = hasRivals ? await keptChoice(this.#platform, graph, this.#options) : undefined;
    const passed: Passed[] = [];
    let failure: unknown;
    for await (const candidate of this.#measuredFirst(await kept?.among(order), order, passed)) {
      try {
        const compiled = { ...candidate, executable: await candidate.backend.compile(graph, work) };
        const found = kept ? await this.#timed(compiled, graph, work) : compiled;
        if (found.because !== candidate.because) await kept?.keep(found);
        return { ...this.#tell(found, passed), executable: found.executable };
      } catch (error) {
        if (!isUnusable(error)) throw error;
        failure = error;
        passed.push({ name: candidate.name, why: clauseOf(error), fault: error.message });
      }
    }
    throw failure ?? nothingWorks(passed);
  }

  /** The faster of a candidate and its rival, if the rival works here. */
  async #timed<Out extends string>(
    first: Compiled<Out>,
    graph: Graph<"image", Out>,
    work: WorkOptions,
  ): Promise<Compiled<Out>> {
    if (!first.rival) return first;
    try {
      for await (const rival of this.#candidates([{ name: first.rival, because: "" }], []))
        return (await quicker(first, rival, graph, work)) ?? first;
      return first;
    } catch (error) {
      await first.executable.dispose();
      throw error;
    }
  }

  /** In ranked order, but with the backend that was measured as fastest first, if its runtime is unchanged. */
  async *#measuredFirst(
    measured: Measured | undefined,
    order: readonly Ranked[],
    passed: Passed[],
  ): AsyncGenerator<Candidate> {
    const first = measured && (await this.#candidate(measured));
    const isTheSame = first && "backend" in first && runtimeOf(first.description) === measured.runtime;
    if (isTheSame) yield first;
    yield* this.#candidates(isTheSame ? order.filter(({ name }) => name !== first.name) : order, passed);
  }

  async *#candidates(order: readonly Ranked[], passed: Passed[]): AsyncGenerator<Candidate> {
    for (const ranked of order) {
      const candidate = await this.#candidate(ranked);
      if ("backend" in candidate) yield candidate;
      else passed.push(candidate);
    }
  }

  async #candidate(ranked: Ranked): Promise<Candidate | Passed> {
    if (ranked.onHardware && !(await this.#platform.mayHaveGpu())) return { name: ranked.name, why: "there is no GPU" };
    const { name, onHardware } = ranked;
    try {
      const backend = await this.#create(name);
      const description = await backend.describe();
      if (onHardware && isSoftware(description)) return { name, why: `its adapter is software, ${description.device}` };
      const candidate = { ...ranked, backend, description };
      return (CHECKED.has(name) && (await this.#check(candidate))) || candidate;
    } catch (error) {
      // a wrong option is reported, not skipped
      if (!(error instanceof BackendUnavailableError || error instanceof DeviceLostError)) throw error;
      return { name, why: clauseOf(error), ...(isBroken(error) && { fault: error.message }) };
    }
  }

  #check(candidate: Candidate): Promise<Passed | undefined> {
    const checked = this.#checked.get(candidate.name) ?? this.#checkOnce(candidate);
    this.#checked.set(candidate.name, checked);
    return checked;
  }

  /** Checked before the first use on this machine, and again while results are wrong. */
  async #checkOnce({ name, backend, description }: Candidate): Promise<Passed | undefined> {
    const kept = await keptOn(this.#platform, "answers", `${name} on ${runtimeOf(description)}`);
    if ((await kept?.read())?.areRight === true) return undefined;
    try {
      const found = await faultIn(backend);
      if (found === undefined) {
        await kept?.write({ areRight: true });
        return undefined;
      }
      const why = `it gives wrong answers (${found})`;
      return { name, why, fault: `${name}: ${why}; install ${description.library} again, or another version of it` };
    } catch (error) {
      if (!isUnusable(error)) throw error;
      return { name, why: clauseOf(error), fault: error.message };
    }
  }

  async #resolve(source: BackendSource): Promise<Backend> {
    if (isBackend(source)) return source;
    if (typeof source !== "string")
      throw new OptionError(`\`backend\` is ${kindOf(source)}, expected a Backend, or the name of one`);
    if (isModulePath(source)) return this.#platform.backendInModule(source, this.#options);
    return this.#create(checkName(source, ["auto", ...backendNames]) as BackendName);
  }

  /** The choice. Warns about backends that are installed but do not work. */
  #tell({ name, backend, description, because }: Candidate, passed: readonly Passed[]): ChosenBackend {
    const faults = new Set(passed.flatMap(({ fault }) => fault ?? []));
    if (faults.size > 0) this.#options.onWarning?.(`auto runs on ${name}: ${[...faults].join("; ")}`);
    return { backend, description, reason: `${because}${passed.length > 0 ? ` (${wordsOf(passed)})` : ""}` };
  }
}

function nothingWorks(passed: readonly Passed[]): BackendUnavailableError {
  return new BackendUnavailableError(
    `auto: no backend works here: ${wordsOf(passed)}; reference works everywhere, about 100 times slower`,
  );
}

async function describedAsAsked(backend: Backend): Promise<ChosenBackend> {
  return { backend, description: await backend.describe(), reason: "it was asked for" };
}

/** Each backend once, with the first clause of the reason. */
function wordsOf(passed: readonly Passed[]): string {
  return [...new Map(passed.map(({ name, why }) => [name, `${name}: ${why}`])).values()].join("; ");
}

/** An error that concerns this backend on this machine, not the network or the options. */
function isUnusable(error: unknown): error is ResidualError {
  if (error instanceof OptionError) return false;
  return [BackendUnavailableError, DeviceLostError, UnsupportedError].some((kind) => error instanceof kind);
}

/** Whether a runtime is installed but does not load. */
function isBroken({ message, cause }: ResidualError): boolean {
  return (
    /does not load/.test(message) || (/could not be loaded/.test(message) && codeOf(cause) !== "ERR_MODULE_NOT_FOUND")
  );
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown } | undefined)?.code;

/** The message's first clause: the finding, without the way out. */
const clauseOf = ({ message }: ResidualError): string => message.split("; ")[0]!.replace(/^[\w-]+: /, "");

function isSoftware({ device, driver = "" }: BackendDescription): boolean {
  return isSoftwareAdapter({ vendor: "", architecture: "", device, description: driver });
}

/** A path has a separator, or a script's file extension. */
function isModulePath(name: string): boolean {
  return /[\\/]|\.[cm]?[jt]s$/.test(name);
}

/** Throws OptionError for a text that is neither a backend's name nor a path of a module. */
export async function checkBackend(
  name: string,
  platform: Platform,
  names: readonly string[] = backendNames,
): Promise<void> {
  if (isModulePath(name)) await platform.backendInModule(name, {});
  else checkName(name, names);
}

function checkName(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  throw new OptionError(unknownName(name, names, "backend"));
}
