import { type Backend, backendOf, version } from "@residual/core";
import type { Choice } from "./convolution/strategies.ts";
import { hasRelaxedSimd } from "./engine.ts";
import { lowerToPlan } from "./lower.ts";
import { WasmModel } from "./model.ts";

export interface WasmOptions {
  /** Whether 3 × 3 convolutions may be computed by Winograd's algorithm: faster, and rounded otherwise. True where not given. */
  readonly winograd?: boolean;
}

/** WebAssembly that is generated for each graph. */
export function wasm({ winograd = true }: WasmOptions = {}): Backend<"float32"> {
  const choice = (): Choice => ({
    instructions: hasRelaxedSimd() ? "relaxed madd" : "mul and add",
    isShared: false,
    winograd,
  });
  return backendOf({
    name: "wasm",
    describe: async () => ({
      library: "@residual/wasm",
      version,
      device: "cpu",
      driver: hasRelaxedSimd() ? "relaxed SIMD" : "SIMD without relaxed",
      dtypes: ["float32"],
      ...(winograd && { algorithms: ["winograd-f2", "winograd-f4"] }),
    }),
    async load(graph, work) {
      const chosen = choice();
      return WasmModel.load(lowerToPlan(graph, chosen), chosen, work);
    },
  });
}
