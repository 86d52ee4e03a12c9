/**
 * Node's threads, which Deno and Bun have too; undefined in browsers. There is no import, which bundlers would resolve.
 */
export function workerThreads(): typeof import("node:worker_threads") | undefined {
  const { process }: { readonly process?: Partial<Builtins> } = globalThis;
  return process?.getBuiltinModule?.("node:worker_threads");
}

interface Builtins {
  getBuiltinModule(name: "node:worker_threads"): typeof import("node:worker_threads");
}
