import { UnsupportedError } from "@residual/core";
import type { Layout } from "../lower/layout.ts";

/**
 * How tensors in the device's order (layout.ts) are stored: in storage buffers or storage textures, of float32 or
 * float16. Tensors in the host's order are always in float32 buffers.
 *
 * On lavapipe, a load from a buffer is an inlined branch and bounds check for each number of each lane: 320
 * instructions and 2 KiB of code for a vec4 on 8 lanes. A load from a texture is a call of one small function, which
 * loads a vec4 per lane and transposes in registers: 80 instructions. On SwiftShader a load from a texture takes
 * longer, 110 ns instead of 60. Textures are slower on GPUs too.
 */
export type Memory = "buffers" | "textures" | "float16 buffers" | "float16 textures";

export function isTextures(memory: Memory): boolean {
  return memory.endsWith("textures");
}

export function isFloat16(memory: Memory | undefined): boolean {
  return memory?.startsWith("float16") === true;
}

/** The format of the textures. */
export function formatOf(memory: Memory): "rgba32float" | "rgba16float" {
  return isFloat16(memory) ? "rgba16float" : "rgba32float";
}

/** The same storage in float32, for a node's temporary tensors. */
export function inFloat32(memory: Memory): Memory {
  return isTextures(memory) ? "textures" : "buffers";
}

/**
 * A WGSL program. Sizes are integer parameters, so that a few programs serve all shapes: software adapters take seconds
 * to compile one.
 */
export interface Kernel {
  /** Unique: the key of the compiled program. */
  readonly name: string;
  /** Bound operands, in order, after `params` at binding 0. Only the last is written. */
  readonly operands: readonly string[];
  /** The operands that are textures, with their formats. */
  readonly textures: { readonly [operand: string]: "rgba32float" | "rgba16float" };
  /** The numbers of `params` by name, in order. */
  readonly params: readonly string[];
  readonly program: string;
}

/** A kernel for each kind of memory; the texts differ in their loads and stores. */
export type KernelIn = (memory: Memory) => Kernel;

/** A kernel's operands and parameters. */
export interface Signature {
  readonly name: string;
  readonly operands: readonly string[];
  /** Operands accessed as single numbers; the others are accessed as vec4f. The last may be one in the host's order. */
  readonly numbers?: readonly string[];
  /** Operands in the host's order. */
  readonly host?: readonly string[];
  /** Temporary operands, which are always float32. */
  readonly alwaysFloat32?: readonly string[];
  readonly params: readonly string[];
}

/** A kernel with one invocation per vec4 of its output. */
interface Plain extends Signature {
  /**
   * The body. `i` is the index of the output's vec4, `pixel` the index in its plane, and `plane` the index of its four
   * channels through all images.
   */
  readonly code: string;
  /** Functions that the body calls. */
  readonly functions?: string;
}

/** Invocations of a workgroup: a multiple of every subgroup size. */
export const WORKGROUP = 64;

/** The most workgroups along an axis of a dispatch: WebGPU's default limit. */
export const MOST_WORKGROUPS = 65535;

/**
 * Workgroups of a plain kernel: pixels along x, planes along y, and along z if there are too many. Throws
 * UnsupportedError beyond the range of `quotient`.
 */
export function workgroupsFor({ images, pixels, quads }: Layout): readonly [x: number, y: number, z: number] {
  const planes = images * quads;
  const [x, y, z] = [
    Math.ceil(pixels / WORKGROUP),
    Math.min(planes, MOST_WORKGROUPS),
    Math.ceil(planes / MOST_WORKGROUPS),
  ];
  if (x > MOST_WORKGROUPS || planes >= 2 ** 24) {
    throw new UnsupportedError(
      `webgpu: ${pixels} pixels of ${planes} planes are more than one dispatch can write; a smaller image or batch may do`,
    );
  }
  return [x, y, z];
}

/**
 * Texels per row of a tensor's texture: a row is then a whole number of memory pages, and the 8192 rows that every
 * adapter supports are 128 MiB.
 */
export const TEXELS = 1024;

/** Kernels by name: texts are long, and many layers use the same kernel. */
const written = new Map<string, Kernel>();

/**
 * A kernel whose program is the declarations of its parameters and operands, then `text`. In the text `x(i)` reads a
 * number or a vec4 of operand x, and `put(i, four)` writes the last operand.
 */
export function kernelIn(signature: Signature, text: (memory: Memory) => string): KernelIn {
  return (memory) => {
    const name = memory === "buffers" ? signature.name : `${signature.name}, in ${memory}`;
    const kernel = written.get(name) ?? kernelOf({ ...signature, name }, text(memory), memory);
    written.set(name, kernel);
    return kernel;
  };
}

function kernelOf(signature: Signature, text: string, memory: Memory): Kernel {
  const { name, operands, host = [], alwaysFloat32 = [], params } = signature;
  const places = operands.map((operand) =>
    host.includes(operand) ? "buffers" : alwaysFloat32.includes(operand) ? inFloat32(memory) : memory,
  );
  const program = `${enables(text, places)}struct Params { ${params.map((param) => `${param}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${operands.map((operand, i) => declared(signature, operand, i + 1, places[i]!)).join("\n")}
${places.some(isTextures) ? `fn place(i: u32) -> vec2u { return vec2u(i & ${TEXELS - 1}u, i >> ${Math.log2(TEXELS)}u); }\n` : ""}
${bits}

${quotient}
${places.some(isFloat16) ? `\n${toFloat16Wgsl}\n` : ""}
${text.includes("putInside(") ? `${putInside(places.at(-1)!)}\n` : ""}${text}
`;
  const textures = operands.flatMap((operand, i) => {
    const place = places[i]!;
    return isTextures(place) ? [[operand, formatOf(place)] as const] : [];
  });
  return { name, operands, textures: Object.fromEntries(textures), params, program };
}

/**
 * An index beyond every tensor; twice the index is still below 2³². Stores to it are dropped, and loads from it are not
 * used.
 */
export const OUTSIDE = 2 ** 30;

/**
 * `put` for indices that may be OUTSIDE. WGSL drops such a store to a texture; to a buffer it would write the last
 * element.
 */
function putInside(place: Memory): string {
  const code = isTextures(place) ? "put(i, four);" : `if (i < ${OUTSIDE}u) { put(i, four); }`;
  return `fn putInside(i: u32, four: vec4f) { ${code} }`;
}

/** An operand's declaration, and the function that reads it. */
function declared({ operands, numbers = [] }: Signature, name: string, binding: number, place: Memory): string {
  const isLast = name === operands.at(-1);
  const [at, type] = [`@group(0) @binding(${binding}) var`, numbers.includes(name) ? "f32" : "vec4f"];
  if (isTextures(place)) {
    const variable = `${at} ${name}Texels: texture_storage_2d<${formatOf(place)}, ${isLast ? "write" : "read"}>;`;
    const stored = isFloat16(place) ? "toFloat16(four)" : "four";
    if (isLast) return `${variable} fn put(i: u32, four: vec4f) { textureStore(${name}Texels, place(i), ${stored}); }`;
    const load =
      type === "f32" ? `textureLoad(${name}Texels, place(i / 4u))[i % 4u]` : `textureLoad(${name}Texels, place(i))`;
    return `${variable} fn ${name}(i: u32) -> ${type} { return ${load}; }`;
  }
  const held = isFloat16(place) ? { f32: "f16", vec4f: "vec4h" }[type]! : type;
  const variable = `${at}<storage, ${isLast ? "read_write" : "read"}> ${name}Numbers: array<${held}>;`;
  if (isLast && type === "f32") return `${variable} fn put(i: u32, one: f32) { ${name}Numbers[i] = one; }`;
  return isLast
    ? `${variable} fn put(i: u32, four: vec4f) { ${name}Numbers[i] = ${held === "vec4h" ? "vec4h(toFloat16(four))" : "four"}; }`
    : `${variable} fn ${name}(i: u32) -> ${type} { return ${type}(${name}Numbers[i]); }`;
}

function enables(text: string, places: readonly Memory[]): string {
  const extensions = [
    ...(text.includes("subgroup") ? ["subgroups"] : []),
    ...(places.includes("float16 buffers") || text.includes("vec4h") ? ["f16"] : []),
  ];
  return extensions.map((name) => `enable ${name};\n`).join("");
}

/**
 * `/` for u32 dividends below 2²⁴, which are exact in float32: the quotient in float32 is off by at most one. Software
 * adapters divide integers lane by lane, which takes as long as two loads.
 */
const quotient = `fn quotient(a: u32, b: u32) -> u32 {
  let q = u32(f32(a) / f32(b));
  let rest = bitcast<i32>(a - q * b);
  return q + select(0u, 1u, rest >= bitcast<i32>(b)) - select(0u, 1u, rest < 0);
}`;

/**
 * The nearest float16, ties to even, as a float32. WGSL does not define the rounding of conversions, and lavapipe
 * truncates, also at 65,504. Below 2⁻¹⁴ the driver decides. A finite number beyond the range becomes NaN instead of
 * infinity: a ReLU or a sigmoid could turn infinity into a finite number, but keeps NaN, which range.ts finds in the
 * results.
 */
const toFloat16Wgsl = `fn toFloat16(four: vec4f) -> vec4f {
  let b = bitcast<vec4u>(four); let size = b & vec4u(0x7fffffffu);
  let near = (b + vec4u(0xfffu) + ((b >> vec4u(13u)) & vec4u(1u))) & vec4u(0xffffe000u);
  let whole = select(near, b | vec4u(0x7fc00000u), (size >= vec4u(0x477ff000u)) & (size < vec4u(0x7f800000u)));
  return bitcast<vec4f>(select(whole, b, size > vec4u(0x7f800000u)));
}`;

/** A driver that assumes finite numbers may remove x > 0 and x != x, but not a test of bits. */
const bits = `fn isNan(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u); }
// −∞ to before −0
fn isNegative(x: vec4f) -> vec4<bool> { return bitcast<vec4u>(x) - vec4u(0x80000001u) < vec4u(0x7f800000u); }
fn isNotPositive(x: vec4f) -> vec4<bool> {
  let b = bitcast<vec4u>(x);
  return (b - vec4u(0x80000000u) <= vec4u(0x7f800000u)) | (b == vec4u());
}
fn rectified(x: vec4f) -> vec4f { return select(x, vec4f(), isNegative(x)); }
fn larger(a: vec4f, b: vec4f) -> vec4f { return select(select(max(a, b), b, isNan(b)), a, isNan(a)); }
// NaN in the place of infinity
fn bounded(x: vec4f) -> vec4f {
  let b = bitcast<vec4u>(x);
  return bitcast<vec4f>(select(b, b | vec4u(0x00400000u), (b & vec4u(0x7fffffffu)) == vec4u(0x7f800000u)));
}
/** Zeros in the lanes after the last channel. */
fn zeroPadded(x: vec4f, quad: u32, channels: u32) -> vec4f {
  return select(x, vec4f(), vec4u(0u, 1u, 2u, 3u) + 4u * quad >= vec4u(channels));
}`;

/** Params of a convolution's window: the image, the window, and its stride. */
export const windowParams = [
  "h",
  "w",
  "xQuads",
  "kh",
  "kw",
  "down",
  "right",
  "top",
  "left",
  "dilationH",
  "dilationW",
] as const;

/** Params of `epilogueWgsl`. */
export const epilogueParams = ["hasBias", "hasResidual", "relu"] as const;

/**
 * Adds bias and residual to a convolution's sums, and applies ReLU. Params: `epilogueParams`; operands: bias, residual.
 */
export const epilogueWgsl = `fn epilogue(sums: vec4f, quad: u32, i: u32) -> vec4f {
  var whole = sums;
  if (p.hasBias == 1u) { whole += bias(quad); }
  if (p.hasResidual == 1u) { whole += residual(i); }
  if (p.relu == 1u) { whole = rectified(whole); }
  return whole;
}`;

/** The dtype of a convolution's products, and of sums of four products. Longer sums are always float32. */
export type Products = "float32" | "float16";

/** WGSL for a dtype of products. */
interface ProductsIn {
  /** The type of four factors. */
  readonly four: "vec4f" | "vec4h";
  /** A matrix of the weights of four outputs, for four channels each. */
  readonly bank: (weights: readonly string[]) => string;
  /** Four sums plus the products of four channels with a 4 × 4 bank of weights. */
  readonly plus: (sums: string, channels: string, bank: string) => string;
  /** Turns infinite sums into NaN: they come from finite numbers beyond float16's range. */
  readonly within: (sums: string) => string;
  /** Suffix of the kernel's name. */
  readonly name: string;
}

/**
 * A vector times a matrix is the shortest text, and compiles fastest. On SwiftShader, whose memory is buffers, its dot
 * products are a sixth slower than chains of `fma`.
 */
export function productsIn(products: Products = "float32", memory: Memory = "textures"): ProductsIn {
  const isHalf = products === "float16";
  const bank = (weights: readonly string[]) => `mat4x4${isHalf ? "h" : "f"}(${weights.join(", ")})`;
  if (isHalf) {
    const plus = (sums: string, v: string, m: string) => `${sums} + vec4f(${v} * ${m})`;
    return { four: "vec4h", bank, plus, within: (sums) => `bounded(${sums})`, name: ", products in float16" };
  }
  const chain = (sum: string, v: string, w: string) =>
    ["x", "y", "z", "w"].reduce((before, k) => `fma(${w}.${k}, ${v}.${k}, ${before})`, sum);
  const chains = (sums: string, v: string, m: string) =>
    `vec4f(${["x", "y", "z", "w"].map((k, i) => chain(`${sums}.${k}`, v, `${m}[${i}]`)).join(", ")})`;
  const plus = isTextures(memory) ? (sums: string, v: string, m: string) => `${sums} + ${v} * ${m}` : chains;
  return { four: "vec4f", bank, plus, within: (sums) => sums, name: "" };
}

/** A tile's sums, named `r0_0` and so on: each is a vec4 of four channels of a pixel. */
interface Sums {
  readonly quads: number;
  readonly pixels: number;
  /**
   * For a pixel of the tile: the index of its first vec4, whether it lies inside the output, and the distance between
   * its vec4s.
   */
  readonly at: (pixel: string) => string;
  readonly known: (pixel: string) => string;
  readonly plane: string;
}

/**
 * The end of a tile's kernel: `epilogueWgsl` for all sums. Channels start at `first`, counted in quads, all complete;
 * pixels start at `start`. For textures the code is unrolled, with each condition tested once for all sums: a loop over
 * registers takes as long as the stores, and a condition per store a third of the compile time. For buffers it is a
 * loop: unrolled code compiles three times as long on SwiftShader, and half a minute on lavapipe.
 */
export function tileEpilogue({ quads, pixels, at, known, plane }: Sums, memory: Memory): string {
  const each = (text: (quad: number, pixel: number) => string) =>
    lines(quads, (q) => lines(pixels, (n) => `  ${text(q, n)}`));
  if (!isTextures(memory)) {
    return `  var all = array<vec4f, ${quads * pixels}>(
${each((q, n) => `r${q}_${n},`)}
  );
  var places: array<u32, ${pixels}>;
  var count = 0u;
  for (; count < ${pixels}u && ${known("count")}; count++) { places[count] = start + ${at("count")}; }
  for (var q = 0u; q < ${quads}u && first + q < p.quads; q++) {
    var b = vec4f();
    if (p.hasBias == 1u) { b = bias(first + q); }
    for (var n = 0u; n < count; n++) {
      let i = places[n] + (first + q) * ${plane};
      var sums = all[q * ${pixels}u + n] + b;
      if (p.hasResidual == 1u) { sums += residual(i); }
      if (p.relu == 1u) { sums = rectified(sums); }
      put(i, sums);
    }
  }`;
  }
  const inside = (place: string, isInside: string) => `select(${OUTSIDE}u, ${place}, ${isInside})`;
  return `${lines(pixels, (n) => `  let at${n} = ${inside(`start + ${at(`${n}u`)}`, known(`${n}u`))};`)}
${lines(quads, (q) => `  let four${q} = ${inside(`(first + ${q}u) * ${plane}`, `first + ${q}u < p.quads`)};`)}
  if (p.hasBias == 1u) {
${lines(quads, (q) => `  let b${q} = bias(first + ${q}u);`)}
${each((q, n) => `r${q}_${n} += b${q};`)}
  }
  if (p.hasResidual == 1u) {
${each((q, n) => `r${q}_${n} += residual(at${n} + four${q});`)}
  }
  if (p.relu == 1u) {
${each((q, n) => `r${q}_${n} = rectified(r${q}_${n});`)}
  }
${each((q, n) => `putInside(at${n} + four${q}, r${q}_${n});`)}`;
}

/**
 * A kernel with one invocation per four channels of a pixel, in the device's order (layout.ts). Lanes after the last
 * channel must be zero. Its first params are `planes` and the `pixels` of each.
 */
export function plain({ code, functions, ...rest }: Plain): KernelIn {
  const signature = { ...rest, params: ["planes", "pixels", ...rest.params] };
  return kernelIn(
    signature,
    () => `${functions ? `${functions}\n` : ""}${code.includes("epilogue(") ? `${epilogueWgsl}\n` : ""}@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let pixel = id.x; let plane = id.y + id.z * ${MOST_WORKGROUPS}u;
  if (pixel >= p.pixels || plane >= p.planes) { return; }
  let i = plane * p.pixels + pixel;
${code}
}`,
  );
}

/**
 * A kernel over tensors in the host's order, seen as one row of numbers. An invocation computes four numbers; the last
 * may compute fewer, and then writes anything behind them. Runs over `rowOf`.
 */
export function flat({ code, ...rest }: Omit<Plain, "host">): KernelIn {
  return plain({ ...rest, host: rest.operands, code });
}

/** The layout that a kernel runs over to write `count` numbers in the host's order. */
export function rowOf(count: number): Layout {
  return { images: 1, channels: 4, quads: 1, pixels: Math.ceil(count / 4) };
}

/** A line of text for each index below `count`. */
export function lines(count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join("\n");
}
