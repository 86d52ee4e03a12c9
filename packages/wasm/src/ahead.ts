import {
  BackendUnavailableError,
  describeValue,
  type Graph,
  optimize,
  shortText,
  UnsupportedError,
  version,
} from "@residual/core";
import type { StrategyOptions } from "./convolution/strategies.ts";
import type { Instructions } from "./encode/function.ts";
import { ModuleBuilder } from "./encode/module.ts";
import { customTexts, hasWebAssembly, type WasmModule } from "./engine.ts";
import { lowerToPlan } from "./lower.ts";
import { checkWinograd, type WasmOptions } from "./options.ts";
import { kernelsOf } from "./plan.ts";
import { checkInstructions } from "./platform.ts";

/** How a module was made. */
interface Stamp {
  readonly version: string;
  readonly instructions: Instructions;
  readonly winograd: boolean;
}

/** The name of the custom section that holds the stamp, as JSON. */
const SECTION = "residual";

/**
 * One WebAssembly module with all kernels of some graphs, in the binary format, for platforms that compile no module
 * at run time, such as Cloudflare's workers. There `wasm({ module })` runs the same graphs, with any weights. By
 * default its kernels use relaxed SIMD, which the platform then has to have.
 *
 * Throws UnsupportedError for open parameters, and for invalid options.
 */
export function wasmModule(
  graphs: readonly Graph[],
  { winograd = true, instructions = "relaxed madd" }: Pick<WasmOptions, "winograd" | "instructions"> = {},
): Uint8Array<ArrayBuffer> {
  checkWinograd(winograd);
  checkInstructions(instructions);
  const choice: StrategyOptions = { instructions, isShared: false, winograd };
  const kernels = graphs.flatMap((graph) => kernelsOf(lowerToPlan(optimize(graph), choice)));
  const module = new ModuleBuilder(choice);
  for (const [name, kernel] of new Map(kernels.map((each) => [each.name, each])))
    kernel.define(module.within(`${name}/`));
  const stamp: Stamp = { version, instructions, winograd };
  return module.encode({ name: SECTION, text: JSON.stringify(stamp) });
}

/**
 * How a given module was made. Throws UnsupportedError for another value than a module of `wasmModule`, and
 * BackendUnavailableError for a module of another version: equal names may mean other kernels there.
 */
export function choiceOf(module: WasmModule): StrategyOptions {
  const stamp = stampOf(module);
  if (!stamp) throw new UnsupportedError("wasm: `module` was not made by wasmModule(); make it with that");
  const { version: made, instructions, winograd } = stamp;
  if (made === version) return { instructions, winograd, isShared: false };
  throw new BackendUnavailableError(
    `wasm: \`module\` was made by version ${shortText(made)} of @residual/wasm, and this is ${version}; make it again`,
  );
}

function stampOf(module: WasmModule): Stamp | undefined {
  const [text = "null"] = textsIn(module);
  try {
    const stamp = JSON.parse(text) as Partial<Stamp> | null;
    return typeof stamp?.version === "string" ? (stamp as Stamp) : undefined;
  } catch {
    return undefined; // somebody else's section
  }
}

function textsIn(module: WasmModule): readonly string[] {
  if (!hasWebAssembly()) throw new BackendUnavailableError("wasm: there is no WebAssembly here");
  try {
    return customTexts(module, SECTION);
  } catch (cause) {
    const found = describeValue(module);
    throw new UnsupportedError(`wasm: \`module\` is ${found}, expected a WebAssembly.Module`, { cause });
  }
}
