import type { Backend } from "@residual/core";
import type { Compiler } from "../backends/compiler.ts";
import type { BackendOptions } from "../backends/options.ts";

/** Text that outlives the process, by key. Keys are short, of letters, digits and `-`. */
export interface TextCache {
  read(key: string): Promise<string | undefined>;
  write(key: string, text: string): Promise<void>;
}

/** What Node and browsers do each in a way of their own. */
export interface Platform {
  readonly name: "node" | "browser";
  /** Undefined where there is no place that outlives the process. */
  cache(): Promise<TextCache | undefined>;
  /** The processors of this machine, in words: times measured on others are worth nothing. */
  processors(): Promise<string>;
  /** Whether there may be a GPU: false saves the time and memory that it takes to find none. */
  mayHaveGpu(): Promise<boolean>;
  /** The backend that a module exports, by the module's path. */
  backendInModule(path: string, options: BackendOptions): Promise<Backend>;
  /** Whether this is a thread that its creator may end at any time. */
  isWorkerThread(): Promise<boolean>;
  /** What compiles in a process of its own, on the backend of a name. */
  inChildProcess(backend: unknown, options: BackendOptions): Promise<Compiler>;
  /** Tells a warning that the caller has not asked to be told. */
  readonly warn: (message: string) => void;
}
