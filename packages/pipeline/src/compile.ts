import type { Backend, Executable, Graph } from "@residual/core";
import type { PrepareOptions } from "./identify.ts";
import { type Prepared, prepare } from "./prepare.ts";

/** Bytes of weights from which on a backend is warmed up: they take as long to scan as a runtime takes to load. */
const LARGE = 32 << 20;

/**
 * Prepares a model and compiles what `graphOf` makes of it. While a large file of weights is scanned, the backend loads
 * its runtime. Throws what `prepare` and the backend's `compile` throw, and what `graphOf` throws, before it compiles.
 */
export async function prepareOn<Out extends string>(
  backend: Backend,
  options: PrepareOptions,
  graphOf: (prepared: Prepared) => Graph<"image", Out>,
): Promise<{ readonly prepared: Prepared; readonly executable: Executable<"image", Out> }> {
  let warm: AsyncDisposable | undefined;
  try {
    const prepared = await prepare({
      ...options,
      onProgress(progress) {
        if (progress.stage === "read weights" && progress.total >= LARGE) warm ??= backend.warmUp?.();
        options.onProgress?.(progress);
      },
    });
    return { prepared, executable: await backend.compile(graphOf(prepared), options) };
  } finally {
    await warm?.[Symbol.asyncDispose]();
  }
}
