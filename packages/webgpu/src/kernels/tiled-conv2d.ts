import { conv2d } from "./conv2d.ts";
import { bindingsText, type Kernel } from "./kernel.ts";

/** How much of the output one subgroup works out: so many channels, of so many pixels for each of its lanes. */
export interface Tile {
  /** Lanes of a subgroup. */
  readonly lanes: number;
  /** Output channels. */
  readonly channels: number;
  /** Output pixels of each lane. */
  readonly pixels: number;
}

/**
 * conv2d, for adapters on which a load costs as much as 36 multiply-adds and memory of a workgroup is no cheaper
 * (software ones). A workgroup is a subgroup without barriers. Each lane keeps channels × pixels sums in registers. At each step
 * (a channel of x, a tap) it loads one number of x for each pixel, and its part of the step's weights, which the subgroup then
 * broadcasts: 32 × 7 tiles of 8 lanes take 11 loads for 224 multiply-adds a lane, where the plain kernel takes 448.
 *
 * A tile lies within a group. Weights are packed as [O / channels][KH][KW][C / groups][channels], with zeros behind the last (`packed`). Registers have to be
 * variables of their own, so the text is generated; `program` is it.
 */
export function tiledConv2d({ lanes, channels, pixels }: Tile): Kernel {
  const each = (count: number, text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join("\n");
  const perLane = Math.ceil(channels / lanes);
  const sums = each(channels, (m) => each(pixels, (n) => `  var s${m}_${n} = 0.0;`));
  const weight = (m: number) => `subgroupBroadcast(w${m % perLane}, ${Math.floor(m / perLane)}u)`;
  const code = `
enable subgroups;
struct Params { ${["size", ...conv2d.params].map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${bindingsText(conv2d.buffers)}
fn isNegative(x: f32) -> bool { let bits = bitcast<u32>(x); return bits > 0x80000000u && bits <= 0xff800000u; }
fn put(image: u32, o: u32, pixel: u32, sum: f32) {
  if (o >= p.o || pixel >= p.oh * p.ow) { return; }
  let i = (image * p.o + o) * p.oh * p.ow + pixel;
  var whole = sum;
  if (p.hasBias == 1u) { whole += bias[o]; }
  if (p.hasResidual == 1u) { whole += residual[i]; }
  y[i] = select(whole, 0.0, p.relu == 1u && isNegative(whole));
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let plane = p.h * p.w;
  let first = group.y * ${lanes * pixels}u + lane;
  let firstChannel = group.x * ${channels}u / p.outputsPerGroup * p.perGroup; // the first channel of x that the tile sees
${each(pixels, (n) => `  let row${n} = (first + ${n * lanes}u) / p.ow * p.down; let column${n} = (first + ${n * lanes}u) % p.ow * p.right;`)}
${sums}
  var at = group.x * p.kh * p.kw * p.perGroup * ${channels}u + lane * ${perLane}u;
  for (var a = 0u; a < p.kh; a++) {
    for (var b = 0u; b < p.kw; b++) {
${each(
  pixels,
  (
    n,
  ) => `      let q${n} = row${n} + a * p.dilationH - p.top; let r${n} = column${n} + b * p.dilationW - p.left; let in${n} = q${n} < p.h && r${n} < p.w && first + ${n * lanes}u < p.oh * p.ow;
      var from${n} = select(0u, ((group.z * p.c + firstChannel) * p.h + q${n}) * p.w + r${n}, in${n}); let step${n} = select(0u, plane, in${n});`,
)}
      for (var c = 0u; c < p.perGroup; c++) {
${each(perLane, (j) => `        let w${j} = weight[at + ${j}u];`)}
${each(pixels, (n) => `        let x${n} = select(0.0, x[from${n}], in${n}); from${n} += step${n};`)}
${each(channels, (m) => `        { let w = ${weight(m)};\n${each(pixels, (n) => `          s${m}_${n} = fma(w, x${n}, s${m}_${n});`)} }`)}
        at += ${channels}u;
      }
    }
  }
  var all = array(${Array.from({ length: channels * pixels }, (_, i) => `s${Math.floor(i / pixels)}_${i % pixels}`).join(", ")});
  for (var m = 0u; m < ${channels}u; m++) { // a loop: written out, it takes longer to compile than all the rest
    for (var n = 0u; n < ${pixels}u; n++) {
      put(group.z, group.x * ${channels}u + m, first + n * ${lanes}u, all[m * ${pixels}u + n]);
    }
  }
}
`;
  return {
    name: `conv2d ${channels}×${pixels} on ${lanes} lanes`,
    buffers: conv2d.buffers,
    params: conv2d.params,
    program: code,
  };
}

/** Weights [O, C, KH, KW] as the tiles read them. */
export function packed(data: ArrayLike<number>, shape: readonly number[], channels: number): Float32Array<ArrayBuffer> {
  const [o, c, kh, kw] = shape as [number, number, number, number];
  const blocks = Math.ceil(o / channels);
  const to = new Float32Array(blocks * kh * kw * c * channels);
  const taps = kh * kw;
  for (let out = 0; out < o; out++) {
    const start = Math.floor(out / channels) * taps * c * channels + (out % channels);
    for (let k = 0; k < c; k++) {
      for (let tap = 0; tap < taps; tap++) to[start + (tap * c + k) * channels] = data[(out * c + k) * taps + tap]!;
    }
  }
  return to;
}
