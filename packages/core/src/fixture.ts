import type { InputRole } from "./ir/define-op.ts";
import { ShapeError, UnsupportedError } from "./ir/errors.ts";
import { type Graph, nodesOf, parametersOf } from "./ir/graph.ts";
import { checkMemory, memoryError } from "./ir/memory.ts";
import { shortList } from "./ir/messages.ts";
import { sizeOf, type Tensor, tensorOf } from "./ir/tensor.ts";
import type { AnyNode } from "./ir/value.ts";
import { rolesOf } from "./ops/nodes.ts";

/** Deterministic weights, generated instead of read from a file. */
export interface FixtureWeights {
  readonly tensors: ReadonlyMap<string, Tensor<"float32">>;
  readonly metadata: { readonly fixture: string };
}

/** The kind of parameter, which sets its range. The names are those of the goldens. */
export type FixtureRole =
  | "conv_w"
  | "conv_b"
  | "bn_gamma"
  | "bn_gamma_last"
  | "bn_beta"
  | "bn_mean"
  | "bn_var"
  | "fc_w"
  | "fc_b";

/**
 * The values of each role are in [lo, hi). With these ranges a deep network neither dies out nor overflows: weights are
 * scaled as in He et al. 2015 (arXiv 1502.01852), and each residual branch is weak compared to its shortcut.
 */
const ranges: { readonly [R in FixtureRole]: (shape: readonly number[]) => readonly [lo: number, hi: number] } = {
  conv_w: ([, ...window]) => within(Math.sqrt(6 / sizeOf(window))),
  conv_b: () => [-0.1, 0.1],
  bn_gamma: () => [0.8, 1.2],
  bn_gamma_last: () => [0.05, 0.25],
  bn_beta: () => [-0.1, 0.1],
  bn_mean: () => [-0.2, 0.8],
  bn_var: () => [0.5, 1.5],
  fc_w: ([, features = 1]) => within(Math.sqrt(3 / features)),
  fc_b: () => [-0.1, 0.1],
};

function within(bound: number): readonly [number, number] {
  return [-bound, bound];
}

/** Available in browsers, Node, Deno and Bun. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** The 32-bit FNV-1a hash of a text's UTF-8 bytes. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  const bytes = new TextEncoder().encode(text);
  // texts are long, and this may run once
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

/** The i-th 32-bit number of a seed's sequence: murmur3's finalizer (fmix32) of seed + i · 0x9E3779B9. */
export function hashU32(seed: number, i: number): number {
  let hash = (seed + Math.imul(i, 0x9e3779b9)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * A tensor of pseudo-random values in [lo, hi), the same on every platform: each depends only on `salt`, `name` and the
 * element's row-major index. Computed in float64, rounded once to float32. Throws OutOfMemoryError.
 */
export function fill(salt: string, name: string, shape: readonly number[], lo: number, hi: number): Tensor<"float32"> {
  const seed = fnv1a32(`${salt}/${name}`);
  const data = numbersOf(shape);
  const span = hi - lo;
  for (let i = 0; i < data.length; i++) data[i] = lo + span * ((hashU32(seed, i) >>> 8) * 2 ** -24);
  return tensorOf("float32", shape, data);
}

/** Memory for the numbers of a shape. */
function numbersOf(shape: readonly number[]): Float32Array {
  const [what, wayOut] = [`a fixture of [${shortList(shape)}]`, "take a smaller shape"];
  checkMemory(4 * sizeOf(shape), what, wayOut);
  try {
    return new Float32Array(sizeOf(shape));
  } catch (error) {
    throw memoryError(error, what, wayOut);
  }
}

/**
 * Like `fill`, with whole numbers from `least` to `most`. Sums of products of small whole numbers are exact in float32.
 */
export function fillWhole(
  salt: string,
  name: string,
  shape: readonly number[],
  least: number,
  most: number,
): Tensor<"float32"> {
  const seed = fnv1a32(`${salt}/${name}`);
  const count = most - least + 1;
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => least + (hashU32(seed, i) % count));
  return tensorOf("float32", shape, data);
}

/** A tensor filled with the range of its role. */
export function fillRole(salt: string, name: string, shape: readonly number[], role: FixtureRole): Tensor<"float32"> {
  return fill(salt, name, shape, ...ranges[role](shape));
}

/**
 * Weights for any graph, without a download: each open parameter is filled with the range of its role, in
 * `parametersOf` order. The same salt gives the same bits everywhere; "v1" gives the goldens' weights. Throws
 * UnsupportedError for a parameter without a role.
 */
export function fixtureWeights(graph: Graph, salt: string): FixtureWeights {
  const tensors = new Map<string, Tensor<"float32">>();
  const known = fixtureRolesOf(graph);
  for (const { name, shape } of parametersOf(graph)) {
    const role = known.get(name);
    if (!role) throw new UnsupportedError(`${graph.name}: ${name} is read by no op that a fixture knows a range for`);
    tensors.set(name, fillRole(salt, name, shape, role));
  }
  return { tensors, metadata: { fixture: salt } };
}

/** The role of each open parameter, by name; the first op that reads a parameter decides. */
export function fixtureRolesOf(graph: Graph): ReadonlyMap<string, FixtureRole> {
  const found = new Map<string, FixtureRole>();
  for (const node of nodesOf(graph)) {
    for (const [input, value] of Object.entries(node.inputs)) {
      const role = fixtureRole(node, input);
      if (value.kind === "parameter" && role && !found.has(value.name)) found.set(value.name, role);
    }
  }
  for (const [name, role] of found) if (role === "bn_gamma" && endsBlock(name, found)) found.set(name, "bn_gamma_last");
  return found;
}

/** The goldens' names for the parameters of norms. */
const normRoles: { readonly [Role in InputRole]?: FixtureRole } = {
  scale: "bn_gamma",
  shift: "bn_beta",
  mean: "bn_mean",
  variance: "bn_var",
};

/** From the declaration of the op. A kernel of rank 4 and a matrix of rank 2 have different ranges. */
function fixtureRole(node: AnyNode, input: string): FixtureRole | undefined {
  const roles = rolesOf(node);
  const role = roles[input]!;
  if (role !== "weight" && role !== "bias") return normRoles[role];
  const isBank = Object.entries(node.inputs).some(
    ([name, { shape }]) => roles[name] === "weight" && shape.length === 4,
  );
  if (role === "weight") return isBank ? "conv_w" : "fc_w";
  return isBank ? "conv_b" : "fc_b";
}

/**
 * True for the last norm of a residual block: `<block>.bnK.weight` with K ≥ 2 and no `<block>.bn(K+1)` in the graph.
 */
function endsBlock(name: string, others: ReadonlyMap<string, unknown>): boolean {
  const [, block, index] = /^(.+)\.bn(\d+)\.weight$/.exec(name) ?? [];
  return Number(index) >= 2 && !others.has(`${block}.bn${Number(index) + 1}.weight`);
}

/**
 * An input [N, C, H, W]: values in [−1, 1), plus for each image and channel an offset in [−2, 2), which keeps the
 * images of a batch apart after global pooling. Throws ShapeError for another rank.
 */
export function fixtureInput(salt: string, shape: readonly number[], name = "input"): Tensor<"float32"> {
  if (shape.length !== 4) throw new ShapeError("fixtureInput.C1", `expected [N, C, H, W], found [${shortList(shape)}]`);
  const [n, c, h, w] = shape as [number, number, number, number];
  const image = fill(salt, name, shape, -1, 1);
  const offsets = fill(salt, `${name}.offset`, [n, c], -2, 2).data;
  offsets.forEach((offset, channel) => {
    for (let i = channel * h * w; i < (channel + 1) * h * w; i++) image.data[i]! += offset;
  });
  return image;
}
