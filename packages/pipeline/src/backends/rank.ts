import type { Platform } from "../platform/platform.ts";
import type { BackendName } from "./table.ts";

/** The facts that the order of backends depends on. */
export interface Facts {
  readonly platform: Platform["name"];
  /** Multiply-adds of the network for one image. */
  readonly macs: number;
}

/** A backend to try. */
export interface Ranked {
  readonly name: BackendName;
  /** Whether it is skipped on a software adapter, such as lavapipe or SwiftShader. */
  readonly onHardware?: true;
  /** A backend that may be faster on some machines: both are timed once, and the result is stored. */
  readonly rival?: BackendName;
  /** The reason for its rank, as a text. */
  readonly because: string;
}

interface Rule extends Ranked {
  readonly platforms: readonly Platform["name"][];
  /** The smallest network of the rule, in multiply-adds. */
  readonly fromMacs?: number;
}

/**
 * The smallest large network, in multiply-adds. ResNet-18 at 224 × 224 has 1.8e9 and takes 20 ms on two cores; the
 * round trip to a GPU takes a few milliseconds. CIFAR's ResNet-110 has 2.5e8 and takes 3 ms.
 */
export const LARGE = 5e8;

/**
 * Best first. The first rule that applies and whose backend works decides. The last is wasm: it comes with Residual,
 * and on one thread it is faster than onnxruntime's and TensorFlow.js's WebAssembly (docs/wasm.md), which a page would
 * have to download.
 */
const rules: readonly Rule[] = [
  {
    name: "webgpu",
    onHardware: true,
    rival: "onnx",
    platforms: ["node"],
    fromMacs: LARGE,
    because: "a GPU is quickest for a network of this size",
  },
  {
    name: "webgpu",
    onHardware: true,
    platforms: ["browser"],
    fromMacs: LARGE,
    because: "a GPU is quickest for a network of this size",
  },
  { name: "onnx", rival: "wasm", platforms: ["node"], because: "native code on the CPU" },
  {
    name: "webgpu",
    onHardware: true,
    rival: "wasm",
    platforms: ["node"],
    because: "a GPU, and no native code for the CPU",
  },
  { name: "webgpu", onHardware: true, rival: "wasm", platforms: ["browser"], because: "a GPU" },
  { name: "tfjs-node", rival: "wasm", platforms: ["node"], because: "native code on the CPU" },
  { name: "wasm", platforms: ["node", "browser"], because: "WebAssembly on the CPU" },
];

/** The backends that `auto` tries, best first. */
export function rankBackends({ platform, macs }: Facts): readonly Ranked[] {
  return rules.filter(({ platforms, fromMacs = 0 }) => platforms.includes(platform) && macs >= fromMacs);
}
