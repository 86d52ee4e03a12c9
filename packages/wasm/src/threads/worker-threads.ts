/**
 * Node's worker threads, which Deno and Bun have too; undefined in browsers. Not imported, since bundlers would resolve
 * the import.
 */
export function workerThreads(): typeof import("node:worker_threads") | undefined {
  const { process }: { readonly process?: Partial<Builtins> } = globalThis;
  return process?.getBuiltinModule?.("node:worker_threads");
}

interface Builtins {
  getBuiltinModule(name: "node:worker_threads"): typeof import("node:worker_threads");
}
