import { type KernelIn, lines, plain } from "./kernel.ts";

/** Params of `weightAt`, beside `x`: the steps from weight to weight (weight-view.ts), which wrap around if negative. */
export const weightParams = [
  "first",
  "groupOutputs",
  "groupStep",
  "outputStep",
  "inputStep",
  "downStep",
  "rightStep",
] as const;

/** The index of the first tap of a weight. */
export const weightStart = /* wgsl */ `fn weightStart(o: u32, c: u32) -> u32 {
  let group = quotient(o, p.groupOutputs);
  return p.first + group * p.groupStep + (o - group * p.groupOutputs) * p.outputStep + c * p.inputStep;
}`;

/**
 * Packs weights [O, C, KH, KW] from the host's order into a kernel's order (WeightOrder, layout.ts), padded with zeros.
 * An invocation writes four numbers: `together` channels of 4 / together outputs.
 */
export const repack: KernelIn = plain({
  name: "repack weights",
  host: ["x"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: [
    ...["outputs", "inputs", "kh", "kw", "block", "together", "blockFours", "channelFours", "downFours", "rightFours"],
    ...weightParams,
  ],
  functions: weightStart,
  code: /* wgsl */ `
  let taps = p.kh * p.kw; let four = quotient(plane, taps); let tap = plane - four * taps;
  let a = quotient(tap, p.kw); let at = a * p.downStep + (tap - a * p.kw) * p.rightStep;
  let o = pixel * 4u / p.together; let c = four * p.together;
  var whole = vec4f();
  if (p.together == 4u && o < p.outputs) {
    let source = weightStart(o, c) + at;
${lines(4, (k) => `    if (c + ${k}u < p.inputs) { whole[${k}] = x(source + ${k}u * p.inputStep); }`)}
  }
  if (p.together == 1u && c < p.inputs) {
${lines(4, (k) => `    if (o + ${k}u < p.outputs) { whole[${k}] = x(weightStart(o + ${k}u, c) + at); }`)}
  }
  let block = quotient(o, p.block);
  let start = block * p.blockFours + (o - block * p.block) * p.together / 4u;
  put(start + four * p.channelFours + a * p.downFours + (tap - a * p.kw) * p.rightFours, whole);`,
});
