import { type ChildProcess, fork, spawn } from "node:child_process";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import {
  abortError,
  type Backend,
  checkInputs,
  constantsOf,
  DeviceLostError,
  type Executable,
  type Graph,
  type NamedSource,
  type Progress,
  type Tensor,
  throwIfAborted,
  toJson,
  UnsupportedError,
  variablesOf,
  type WorkOptions,
} from "@residual/core";
import { type Program, programBeside, temporaryFolder } from "@residual/kit/files";
import { writeSafetensors } from "@residual/weights";
import type { CompiledGraph, Compiler } from "../backends/compiler.ts";
import type { BackendOptions } from "../backends/options.ts";
import { OptionError } from "../option-error.ts";
import { referenceOf } from "../weights-references.ts";
import { type Answers, errorOf, type FromChild, type Job, type ToChild, type WeightsReference } from "./protocol.ts";
import { SharedMemory } from "./shared-memory.ts";

/** Milliseconds that a child without executables waits for the next compile. */
const IDLE = 1000;

/**
 * Compiles in a child process. It starts with the first `describe` or `compile`, and ends one second after the last
 * `dispose`, or with this process. The child reads weights of files itself; other weights are passed in a temporary
 * file.
 */
export class ChildCompiler implements Compiler {
  readonly #name: string;
  readonly #options: BackendOptions;
  readonly #onLost: ((why: string) => void) | undefined;
  #child: Child | undefined;
  #executables = 0;

  /** `onLost` is called with the reason when a child ends that is in use, before its jobs are rejected. */
  constructor(name: unknown, options: BackendOptions, onLost?: (why: string) => void) {
    if (typeof name !== "string")
      throw new OptionError("`isolation` is for backends that have a name; name one with `backend`");
    this.#name = name;
    this.#options = options;
    this.#onLost = onLost;
  }

  get backend(): Backend {
    return {
      name: this.#name,
      describe: () => this.#started().request({ kind: "describe" }),
      compile: async (graph, work = {}) => (await this.#compile(graph, work)).executable,
    };
  }

  async warmUp(): Promise<AsyncDisposable> {
    const keep = this.#started().keep();
    return { [Symbol.asyncDispose]: async () => keep() };
  }

  async compile<Out extends string>(graph: Graph<"image", Out>, work: WorkOptions): Promise<CompiledGraph<Out>> {
    const { executable, name, description, reason } = await this.#compile(graph, work);
    return { executable, description, reason, backend: { ...this.backend, name } };
  }

  async #compile<In extends string, Out extends string>(
    graph: Graph<In, Out>,
    work: WorkOptions,
  ): Promise<Answers["compile"] & { readonly executable: Executable<In, Out> }> {
    throwIfAborted(work.signal);
    const child = this.#started();
    const keep = child.keep();
    try {
      await using weights = await weightsOf(graph, work);
      const executable = this.#executables++;
      const json = await toJson(graph, { isHollow: true });
      const found = await child.request({ kind: "compile", executable, graph: json, ...weights.sent }, work, true);
      const compiled = executableIn(child, executable, found.name, graph, keep, weights.take());
      if (!work.signal?.aborted) return { ...found, executable: compiled };
      await compiled.dispose(); // it was finished before the child received the abort
      throw abortError(work.signal);
    } catch (error) {
      keep();
      throw error;
    }
  }

  #started(): Child {
    if (!this.#child || this.#child.isLost) this.#child = new Child(this.#name, this.#options, this.#onLost);
    return this.#child;
  }
}

/**
 * The location of a graph's numbers for the child. Files written for the child stay until the executable is disposed.
 */
async function weightsOf(graph: Graph, work: WorkOptions) {
  const references = new Map<string, WeightsReference>();
  const others = new Map<string, NamedSource>();
  for (const { name, source } of [...constantsOf(graph), ...variablesOf(graph)]) {
    const reference = referenceOf(source);
    if (reference) references.set(name, reference);
    else others.set(name, source);
  }
  let folder = others.size > 0 ? await temporaryFolder("child") : undefined;
  const file = folder && join(folder.path, "weights.safetensors");
  const remove = async () => folder?.[Symbol.asyncDispose]();
  try {
    if (file) await writeSafetensors(file, others, {}, work);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    sent: { references, file },
    /** Transfers the file's ownership to the child. */
    take(): () => Promise<void> {
      const taken = folder;
      folder = undefined;
      return async () => taken?.[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: remove,
  };
}

/** `release` lets the child end; `remove` removes the files written for it. */
function executableIn<In extends string, Out extends string>(
  child: Child,
  executable: number,
  name: string,
  graph: Graph<In, Out>,
  release: () => void,
  remove: () => Promise<void>,
): Executable<In, Out> {
  const hasState = graph.updates.length > 0;
  const underWay = new Set<Promise<unknown>>();
  let disposed: Promise<void> | undefined;
  const awaited = async <T>(answer: Promise<T>): Promise<T> => {
    underWay.add(answer);
    return answer.finally(() => underWay.delete(answer));
  };
  const checkOpen = (signal: WorkOptions["signal"]) => {
    if (disposed) throw new UnsupportedError(`${name}: run after dispose; compile the graph again`);
    throwIfAborted(signal);
  };
  const dispose = () => {
    disposed ??= Promise.allSettled(underWay).then(async () => {
      await child.request({ kind: "dispose", executable }).catch((error: unknown) => {
        if (!child.isLost) throw error; // otherwise there is nothing left to free
      });
      await remove();
      release();
    });
    return disposed;
  };
  return {
    async run(inputs, options = {}) {
      checkOpen(options.signal);
      checkInputs(graph, inputs);
      const answers = await awaited(child.run(executable, inputs, options, hasState));
      return answers as { [K in Out]: Answers["run"][string] };
    },
    async read(names, options = {}) {
      checkOpen(options.signal);
      return awaited(child.request({ kind: "read", executable, names }, { signal: options.signal }, hasState));
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

interface Reply {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly onReply: (() => void) | undefined;
}

/** A running child process. */
class Child {
  readonly #process: ChildProcess;
  readonly #memory = SharedMemory.open();
  readonly #name: string;
  readonly #onWarning: BackendOptions["onWarning"];
  readonly #onLost: ((why: string) => void) | undefined;
  readonly #open = new Map<number, Reply>();
  #jobs = 0;
  #users = 0;
  #idle: NodeJS.Timeout | undefined;
  #lost: DeviceLostError | undefined;

  constructor(
    backend: string,
    { threads, wasmPaths, onWarning }: BackendOptions,
    onLost: ((why: string) => void) | undefined,
  ) {
    this.#name = backend;
    this.#onWarning = onWarning;
    this.#onLost = onLost;
    this.#process = start(programBeside(url, "child", "pipeline"), this.#memory?.fd);
    this.#process.on("message", (message: FromChild) => this.#receive(message));
    this.#process.on("error", (error) => this.#lose(error.message));
    if (isOrphaned) this.#process.on("disconnect", () => this.#lose("it has closed its channel"));
    else this.#process.on("exit", (code, signal) => this.#lose(signal ?? `exit code ${code}`));
    this.#send({ kind: "setup", backend, options: { threads, wasmPaths } });
    this.#letGo();
    this.#wait();
  }

  /** Whether it has ended, or is about to end. */
  get isLost(): boolean {
    return this.#lost !== undefined || !this.#process.connected;
  }

  /** Keeps the child alive; call the returned function once to release it. */
  keep(): () => void {
    clearTimeout(this.#idle);
    this.#users++;
    let isKept = true;
    return () => {
      if (!isKept) return;
      isKept = false;
      this.#users--;
      this.#wait();
    };
  }

  /**
   * Sends a job at once, with a copy of its inputs. An aborted signal rejects at once; but if the job may change state,
   * the child decides whether the job was done or aborted. `onReply` is called with the child's reply in either case.
   */
  request<Kind extends Job["kind"]>(
    job: Job & { readonly kind: Kind },
    { signal, onProgress }: WorkOptions = {},
    hasState = false,
    onReply?: () => void,
  ): Promise<Answers[Kind]> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = this.#jobs++;
    const keep = this.keep();
    return new Promise<Answers[Kind]>((resolve, reject) => {
      const abort = () => {
        this.#send({ kind: "abort", id });
        if (!hasState) reject(abortError(signal!));
      };
      const settled = () => {
        signal?.removeEventListener("abort", abort);
        keep();
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#open.set(id, {
        resolve: (answer) => {
          settled();
          resolve(answer);
        },
        reject: (error) => {
          settled();
          reject(signal?.aborted && isAbort(error) ? abortError(signal) : error);
        },
        onProgress,
        onReply,
      });
      this.#hold();
      this.#send({ ...job, id });
    });
  }

  /** Requests a run, with a copy of its inputs as they are now. */
  run(
    executable: number,
    inputs: { readonly [name: string]: Tensor<"float32"> },
    { signal }: WorkOptions,
    hasState: boolean,
  ): Promise<Answers["run"]> {
    const { sent, free } = this.#memory?.place(inputs) ?? { sent: inputs, free: () => {} };
    return this.request({ kind: "run", executable, inputs: sent }, { signal }, hasState, free);
  }

  #send(message: ToChild): void {
    this.#process.send(message, () => {}); // if the child has ended, its exit event reports it
  }

  #receive(message: FromChild): void {
    if (message.kind === "warning") {
      this.#onWarning?.(message.message);
      return;
    }
    const reply = this.#open.get(message.id);
    if (message.kind === "progress") {
      reply?.onProgress?.(message.progress);
      return;
    }
    reply?.onReply?.(); // not when the job is aborted: the child may not have read the inputs
    this.#open.delete(message.id);
    if (this.#open.size === 0) this.#letGo();
    if (message.kind === "done") reply?.resolve(message.answer as never);
    else reply?.reject(errorOf(message.error));
  }

  #lose(why: string): void {
    if (this.#lost) return;
    this.#lost = new DeviceLostError(
      `${this.#name}: the child process that runs the model has ended (${why}); compile the graph again`,
    );
    clearTimeout(this.#idle);
    this.#memory?.close();
    if (this.#users > 0) this.#onLost?.(why);
    for (const { reject } of this.#open.values()) reject(this.#lost);
    this.#open.clear();
  }

  /** Lets the child end unless it is used soon. */
  #wait(): void {
    if (this.#users > 0 || this.#lost) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#process.connected && this.#process.disconnect(), IDLE);
    this.#idle.unref();
  }

  /** This process waits for the child's jobs, but not for the child. */
  #hold(): void {
    this.#process.ref();
    this.#process.channel?.ref();
  }

  #letGo(): void {
    this.#process.unref();
    this.#process.channel?.unref();
  }
}

/**
 * Whether children are detached as soon as they run. A terminated thread cannot wait for its children, which would stay
 * as zombies until the process ends.
 */
const isOrphaned = !isMainThread && process.platform !== "win32";

function start({ path, execArgv }: Program, memory: number | undefined): ChildProcess {
  const options = {
    serialization: "advanced", // keeps typed arrays
    stdio: ["ignore", 2, 2, "ipc", memory ?? "ignore"], // stdout belongs to the parent
  } as const;
  if (!isOrphaned) return fork(path, { ...options, stdio: [...options.stdio], execArgv: [...execArgv] });
  const command = ["sh", process.execPath, ...execArgv, path];
  return spawn("/bin/sh", ["-c", '"$@" &', ...command], { ...options, stdio: [...options.stdio] });
}

/** Undefined in a bundle in CommonJS. */
const { url } = import.meta as { readonly url?: string };

const isAbort = (error: Error): boolean => (error as { code?: unknown }).code === "AbortError";
