import type { Dialect, GroupedSizes } from "./dialect.ts";

/** The engines of TensorFlow.js. `node` and `node-gpu` are TensorFlow's C library. */
export type EngineName = "cpu" | "wasm" | "webgl" | "webgpu" | "node" | "node-gpu";

/**
 * The only supported version: all packages of tfjs share one engine, and Residual uses parts beyond its public
 * interface.
 */
export const VERSION = "4.22.0";

interface Entry {
  /** The npm package of the engine. */
  readonly package: string;
  readonly dialect: Dialect;
}

/**
 * The fastest form of convolutions in groups, measured on the seven shapes of ResNeXt-50 (docs/tfjs.md):
 *
 * - on CPUs each channel alone, and then sums. XNNPACK has quick kernels for it, at no more weights; a convolution for
 *   each group takes 1 to 12 times as long. From 64 channels in a group on, the products to be summed are too many.
 * - on GPUs a convolution for each group: there a depthwise one takes 3 to 6 times as long.
 */
const onCpu: Dialect = {
  multiplies: () => false,
  padsConvolutions: true,
  padsPools: true,
  grouped: ({ channels }) => (channels < 64 ? "depthwise" : "split"),
  weightGradients: "operator",
  poolGradients: "loops",
  sumsByProducts: false,
};
/** Tensors cannot be read at once, and WebGL's own gradient of a max pool gives a tie to the last pixel. */
const onGpu: Dialect = {
  ...onCpu,
  grouped: ({ channels }) => (channels === 1 ? "depthwise" : "split"),
  poolGradients: "comparisons",
};
/**
 * XNNPACK packs the kernels of a convolution into twice their memory, and a matrix into its own size. Up to about 200
 * output pixels both take the same time, with the same bits; above, a convolution takes half the time. Four fifths of
 * ResNet-50's 1×1 kernels have at most 196 output pixels. Cutting windows out of an image first adds a sixth to the
 * time at 7 × 7, where kernels have 9 MiB, and saves as much memory; elsewhere it is slower without saving much.
 *
 * The engine has no operator for the gradient of a weight. A sum over images and pixels takes 1 ms as a product, and 8
 * by tfjs's Sum, for 2²¹ numbers.
 */
const onXnnpack: Dialect = {
  ...onCpu,
  weightGradients: "convolution",
  sumsByProducts: true,
  multiplies: ({ pixels, taps, weights }) => (taps === 1 ? pixels <= 256 : pixels <= 64 && weights >= 2 ** 20),
};
/**
 * TensorFlow's own kernels take only named paddings, so images are padded first. Without oneDNN, which TensorFlow uses
 * on processors with AVX512-VNNI and the like, its depthwise kernel refuses dilations and unequal strides. With
 * depthwise convolutions ResNeXt-50 takes 6 to 24 % less CPU time than with one convolution for each group.
 */
const inTensorFlow: Dialect = {
  ...onCpu,
  multiplies: () => false,
  padsConvolutions: false,
  padsPools: false,
  grouped: (sizes) => (isPlain(sizes) ? onCpu.grouped(sizes) : "split"),
};
const inTensorFlowOnGpu: Dialect = {
  ...inTensorFlow,
  grouped: (sizes) => (isPlain(sizes) ? onGpu.grouped(sizes) : "split"),
};

function isPlain({ stride: [down, right], dilation }: GroupedSizes): boolean {
  return down === right && Math.max(...dilation) === 1;
}

const entries: { readonly [Name in EngineName]: Entry } = {
  cpu: { package: "@tensorflow/tfjs-backend-cpu", dialect: onCpu },
  wasm: { package: "@tensorflow/tfjs-backend-wasm", dialect: onXnnpack },
  webgl: { package: "@tensorflow/tfjs-backend-webgl", dialect: onGpu },
  webgpu: { package: "@tensorflow/tfjs-backend-webgpu", dialect: onGpu },
  node: { package: "@tensorflow/tfjs-node", dialect: inTensorFlow },
  "node-gpu": { package: "@tensorflow/tfjs-node-gpu", dialect: inTensorFlowOnGpu },
};

export const engineNames: readonly EngineName[] = Object.keys(entries) as EngineName[];

/** The dialect of an engine, whether or not the engine is available. */
export function dialectOf(name: EngineName): Dialect {
  return entries[name].dialect;
}

export function packageOf(name: EngineName): string {
  return entries[name].package;
}

/** The npm packages of an engine: `@tensorflow/tfjs-backend-wasm@4.22.0 @tensorflow/tfjs-core@4.22.0`. */
export function installOf(name: EngineName): string {
  return packagesFor(packageOf(name));
}

/** A package with its dependencies: engines do not depend on tfjs-core nor, in Node, on WebGPU. */
export function packagesFor(name: string): string {
  const isEngine = name.startsWith("@tensorflow/tfjs-backend-");
  const all = [name, ...(isEngine ? ["@tensorflow/tfjs-core"] : [])].map((each) => `${each}@${VERSION}`);
  const { navigator }: { readonly navigator?: { readonly gpu?: unknown } } = globalThis;
  const needsDawn = name === packageOf("webgpu") && !navigator?.gpu;
  return [...all, ...(needsDawn ? ["webgpu"] : [])].join(" ");
}
