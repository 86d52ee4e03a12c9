import { UnsupportedError } from "@residual/core";
import type { Layout } from "../layout.ts";

/** A WGSL program. What varies comes in as whole numbers, so that a few serve all shapes: software adapters take seconds to compile one. */
export interface Kernel {
  /** Unlike any other's: the compiled program is kept by it. */
  readonly name: string;
  /** In binding order, behind `params` at 0; the last is written, and none else. */
  readonly buffers: readonly string[];
  /** The numbers of `params` by name, in order. */
  readonly params: readonly string[];
  readonly program: string;
}

/** What a kernel is made of that runs once for each four numbers of its output. */
interface Plain extends Omit<Kernel, "program"> {
  /** What the buffers are seen as; vec4f where not given. */
  readonly elements?: Elements;
  /** The body. Of the output, `i` is the index in fours, `pixel` that in its plane, `plane` the four channels among those of all images. */
  readonly code: string;
}

type Elements = { readonly [buffer: string]: "f32" | "vec2f" | "vec4f" };

/** Invocations of a workgroup: a multiple of every subgroup size there is. */
const WORKGROUP = 64;

/** Workgroups that one axis of a dispatch may have: WebGPU's default limit. */
export const MOST_WORKGROUPS = 65535;

/**
 * Workgroups of a plain kernel: pixels along x, planes along y and where these are too many along z. Throws UnsupportedError for
 * more than `quotient` takes.
 */
export function workgroupsFor({ images, pixels, quads }: Layout): readonly [x: number, y: number, z: number] {
  const planes = images * quads;
  const [x, y, z] = [
    Math.ceil(pixels / WORKGROUP),
    Math.min(planes, MOST_WORKGROUPS),
    Math.ceil(planes / MOST_WORKGROUPS),
  ];
  if (x > MOST_WORKGROUPS || planes >= 2 ** 24) {
    throw new UnsupportedError(`webgpu: ${pixels} pixels of ${planes} planes are more than one dispatch can write`);
  }
  return [x, y, z];
}

/** Parameters and buffers of a kernel, as WGSL declares them. */
export function bindings({ params, buffers }: Pick<Kernel, "params" | "buffers">, elements: Elements = {}): string {
  const access = (i: number) => (i === buffers.length - 1 ? "read_write" : "read");
  const lines = buffers.map(
    (name, i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${access(i)}> ${name}: array<${elements[name] ?? "vec4f"}>;`,
  );
  return `struct Params { ${params.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${lines.join("\n")}`;
}

/**
 * `/` for u32 where what is divided is below 2²⁴, and a float32 thus exact: its quotient is off by one at most. Software adapters divide
 * integers lane by lane, which takes as long as two loads.
 */
export const quotient = `fn quotient(a: u32, b: u32) -> u32 {
  let q = u32(f32(a) / f32(b));
  let rest = bitcast<i32>(a - q * b);
  return q + select(0u, 1u, rest >= bitcast<i32>(b)) - select(0u, 1u, rest < 0);
}`;

/** x > 0 and x != x may be folded away by a driver that takes numbers for finite; bits are not. */
export const bits = `fn isNan(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u); }
fn isNegative(x: vec4f) -> vec4<bool> {
  let b = bitcast<vec4u>(x);
  return (b > vec4u(0x80000000u)) & (b <= vec4u(0xff800000u));
}
fn rectified(x: vec4f) -> vec4f { return select(x, vec4f(), isNegative(x)); }
fn larger(a: vec4f, b: vec4f) -> vec4f { return select(select(max(a, b), b, isNan(b)), a, isNan(a)); }
/** Zeros behind the last channel. */
fn filled(x: vec4f, quad: u32, channels: u32) -> vec4f {
  return select(x, vec4f(), vec4u(0u, 1u, 2u, 3u) + 4u * quad >= vec4u(channels));
}`;

/**
 * A kernel that runs once for four channels of a pixel, in the device's order (layout.ts). What is behind the last channel has to
 * be zero. Its first params are `planes`, and `pixels` of each.
 */
export function plain({ code, elements, ...rest }: Plain): Kernel {
  const kernel = { ...rest, params: ["planes", "pixels", ...rest.params] };
  const program = `${bindings(kernel, elements)}

${bits}

${quotient}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let pixel = id.x; let plane = id.y + id.z * ${MOST_WORKGROUPS}u;
  if (pixel >= p.pixels || plane >= p.planes) { return; }
  let i = plane * p.pixels + pixel;
${code}
}
`;
  return { ...kernel, program };
}
