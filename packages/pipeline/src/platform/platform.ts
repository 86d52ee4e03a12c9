import type { Backend } from "@residual/core";
import type { Compiler } from "../backends/compiler.ts";
import type { BackendOptions } from "../backends/options.ts";

/** Persistent text, by key. Keys are short, of letters, digits and `-`. */
export interface TextCache {
  read(key: string): Promise<string | undefined>;
  write(key: string, text: string): Promise<void>;
}

/** The functions that differ between Node and browsers. */
export interface Platform {
  readonly name: "node" | "browser";
  /** Undefined without persistent storage. */
  cache(): Promise<TextCache | undefined>;
  /** The processors of this machine, as text: times do not carry over to others. */
  processors(): Promise<string>;
  /** Whether there may be a GPU: false saves the time and memory of looking for one. */
  mayHaveGpu(): Promise<boolean>;
  /** The backend that a module exports, by the module's path. */
  backendInModule(path: string, options: BackendOptions): Promise<Backend>;
  /** Whether this is a thread that its creator may terminate at any time. */
  isWorkerThread(): Promise<boolean>;
  /** A compiler in a child process, on a named backend. */
  inChildProcess(backend: unknown, options: BackendOptions): Promise<Compiler>;
  /** Reports a warning that has no listener. */
  readonly warn: (message: string) => void;
}
