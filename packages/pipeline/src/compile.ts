import type { Graph } from "@residual/core";
import { type BackendSource, Chooser } from "./backends/choose.ts";
import type { CompiledGraph, Compiler } from "./backends/compiler.ts";
import type { BackendOptions } from "./backends/options.ts";
import type { PrepareOptions } from "./identify.ts";
import type { Platform } from "./platform/platform.ts";
import { type Prepared, prepare } from "./prepare.ts";

/** The weights' size, in bytes, from which a backend is warmed up: scanning them takes as long as loading a runtime. */
const LARGE = 32 << 20;

/**
 * Prepares a model and compiles the graph that `graphOf` returns. While a large file of weights is scanned, the backend
 * loads its runtime. Throws errors of `prepare`, of the backend's `compile`, and of `graphOf` before it compiles.
 */
export async function prepareOn<Out extends string>(
  source: BackendSource,
  options: PrepareOptions & BackendOptions,
  graphOf: (prepared: Prepared) => Graph<"image", Out>,
  platform: Platform,
): Promise<CompiledGraph<Out> & { readonly prepared: Prepared }> {
  return prepareWith(new Chooser(source, options, platform), options, graphOf);
}

/** `prepareOn` for an existing compiler. */
export async function prepareWith<Out extends string>(
  compiler: Compiler,
  options: PrepareOptions,
  graphOf: (prepared: Prepared) => Graph<"image", Out>,
): Promise<CompiledGraph<Out> & { readonly prepared: Prepared }> {
  let warm: Promise<AsyncDisposable | undefined> | undefined;
  try {
    const prepared = await prepare({
      ...options,
      onProgress(progress) {
        if (progress.stage === "read weights" && progress.total >= LARGE) warm ??= compiler.warmUp();
        options.onProgress?.(progress);
      },
    });
    const graph = graphOf(prepared);
    await warm; // compile takes the warmed-up runtime over
    return { prepared, ...(await compiler.compile(graph, options)) };
  } finally {
    await (await warm)?.[Symbol.asyncDispose]();
  }
}
