import type { Platform } from "../platform/platform.ts";
import type { BackendName } from "./table.ts";

/** What the order of backends depends on. */
export interface Facts {
  readonly platform: Platform["name"];
  /** Multiply-adds of the network for one image. */
  readonly macs: number;
}

/** A backend to be tried. */
export interface Ranked {
  readonly name: BackendName;
  /** Whether it is passed over where its adapter is software, such as lavapipe or SwiftShader. */
  readonly onHardware?: true;
  /** The backend that may be as quick on some machines: both are timed once, and the quicker one is kept. */
  readonly rival?: BackendName;
  /** Why it stands here, in words for people. */
  readonly because: string;
}

interface Rule extends Ranked {
  readonly platforms: readonly Platform["name"][];
  /** The smallest network that the rule is for, in multiply-adds. */
  readonly fromMacs?: number;
}

/**
 * Multiply-adds from which a network is large. ResNet-18 at 224 × 224 has 1.8e9 and takes 20 ms on two cores, where a
 * GPU's way there and back is a few milliseconds. CIFAR's ResNet-110 has 2.5e8 and takes 3 ms.
 */
export const LARGE = 5e8;

/**
 * Best first. The first rule that applies and whose backend works here decides. The last is wasm: it comes with
 * Residual, and one thread of it is quicker than onnxruntime's and TensorFlow.js's WebAssembly (docs/wasm.md), which a
 * page would have to download.
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
