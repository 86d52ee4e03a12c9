import { UnsupportedError } from "@residual/core";

/** A WGSL program. What varies comes in as whole numbers, so that a few serve all shapes: software adapters take seconds to compile one. */
export interface Kernel {
  /** Unlike any other's: the compiled program is kept by it. */
  readonly name: string;
  /** In binding order, behind `params` at 0; the last is written, and none else. */
  readonly buffers: readonly string[];
  /** The numbers of `params` by name, in order; `size`, the outputs, comes before them. */
  readonly params: readonly string[];
  readonly program: string;
}

/** What a kernel is made of that runs once for each output. */
interface Plain extends Omit<Kernel, "program"> {
  /** The body: `i` is the output's flat index. */
  readonly code: string;
}

/** Invocations of a workgroup: a multiple of every subgroup size there is. */
const WORKGROUP = 64;

/** Workgroups that one axis of a dispatch may have: WebGPU's default limit. */
const MOST_WORKGROUPS = 65535;

/** Workgroups of a plain kernel for so many outputs, on two axes where one is too short. Throws UnsupportedError for more. */
export function workgroupsFor(size: number): readonly [x: number, y: number, z: number] {
  const all = Math.ceil(size / WORKGROUP);
  const [x, y] = [Math.min(all, MOST_WORKGROUPS), Math.ceil(all / MOST_WORKGROUPS)];
  if (y > MOST_WORKGROUPS) throw new UnsupportedError(`webgpu: ${size} numbers are more than one dispatch can write`);
  return [x, y, 1];
}

/** The buffers of a kernel, as WGSL declares them. */
export function bindingsText(buffers: readonly string[]): string {
  const access = (i: number) => (i === buffers.length - 1 ? "read_write" : "read");
  const lines = buffers.map(
    (name, i) => `@group(0) @binding(${i + 1}) var<storage, ${access(i)}> ${name}: array<f32>;`,
  );
  return lines.join("\n");
}

/** A kernel that runs once for each number of its last buffer. */
export function plain({ code, ...kernel }: Plain): Kernel {
  const program = `struct Params { ${["size", ...kernel.params].map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${bindingsText(kernel.buffers)}

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
  return { ...kernel, program };
}
