import { BackendUnavailableError } from "@residual/core";
import { DirectRunner } from "./direct-runner.ts";
import type { Target } from "./encode/module.ts";
import type { WasmModule } from "./engine.ts";
import type { Kernel } from "./kernels/kernel.ts";

/** A runner whose kernels were compiled before: it compiles nothing. */
export class AheadRunner extends DirectRunner {
  /** Throws OutOfMemoryError. */
  static async openAhead(target: Target, bytes: number, module: WasmModule): Promise<AheadRunner> {
    const engine = await DirectRunner.engine(target, bytes);
    engine.addWhole(module);
    return new AheadRunner(target, engine);
  }

  override async add(kernels: Iterable<Kernel>): Promise<void> {
    const missing = [...kernels].find(({ name }) => !this.engine.has(name));
    if (!missing) return;
    throw new BackendUnavailableError(
      `wasm: \`module\` has no kernel "${missing.name}", so it was made for another graph; make it for this one, ` +
        "with the same outputs and batch: wasmModule([graph])",
    );
  }
}
