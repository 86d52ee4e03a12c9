/**
 * A WGSL program. `main` runs once for each number of its last buffer, the only one that it writes. What varies comes in as
 * whole numbers in `params`, so that a few programs serve all shapes: software adapters take seconds to compile one.
 */
export interface Kernel {
  readonly name: string;
  /** In binding order, behind `params` at 0; the last is written. */
  readonly buffers: readonly string[];
  /** The numbers of `params` by name, in order; `size`, the outputs, comes before them. */
  readonly params: readonly string[];
  /** The body: `i` is the output's flat index. */
  readonly code: string;
}

/** Invocations of a workgroup: a multiple of every subgroup size there is. */
export const WORKGROUP = 64;

/** Workgroups that one axis of a dispatch may have: WebGPU's default limit. */
export const MOST_WORKGROUPS = 65535;

/** A kernel's whole program, as it runs. */
export function programOf({ buffers, params, code }: Kernel): string {
  const names = ["size", ...params];
  const bindings = buffers.map((name, i) => {
    const access = i === buffers.length - 1 ? "read_write" : "read";
    return `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: array<f32>;`;
  });
  return `struct Params { ${names.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${bindings.join("\n")}

// x > 0 and x != x may be folded away by a driver that takes numbers for finite; bits are not.
fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn isNegative(x: f32) -> bool { return (bitcast<u32>(x) >> 31u) == 1u && !isNan(x); }
fn larger(a: f32, b: f32) -> f32 { if (isNan(a) || isNan(b)) { return select(b, a, isNan(a)); } return max(a, b); }

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * ${MOST_WORKGROUPS * WORKGROUP}u;
  if (i >= p.size) { return; }
${code}
}
`;
}
