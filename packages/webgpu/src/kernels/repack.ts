import { type KernelIn, lines, plain } from "./kernel.ts";

/**
 * Params of `weightAt`, beside `x`: the steps from weight to weight (weight-view.ts), which wrap around if negative.
 */
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

/** Channels, counted in `together`, that an invocation of `repack` packs at all taps. */
export const PACKED_TOGETHER = 4;

/**
 * Packs weights [O, C, KH, KW] from the host's order into a kernel's order (WeightOrder, layout.ts), padded with zeros.
 * An invocation writes all taps of some channels, four numbers at a time: `together` channels of 4 / together outputs.
 * So a line of the cache is read once: outputs lie at such distances that few of their lines fit into it together.
 */
export const repack: KernelIn = plain({
  name: "repack weights",
  host: ["x"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: [
    "outputs",
    "inputs",
    "kh",
    "kw",
    "block",
    "together",
    "blockFours",
    "channelFours",
    "downFours",
    "rightFours",
    "fours",
    ...weightParams,
  ],
  functions: weightStart,
  code: /* wgsl */ `
  let together = p.together == 4u;
  let o = select(pixel * 4u, pixel, together);
  let block = quotient(o, p.block);
  let start = block * p.blockFours + (o - block * p.block) * p.together / 4u;
  for (var four = plane * ${PACKED_TOGETHER}u; four < min(p.fours, (plane + 1u) * ${PACKED_TOGETHER}u); four++) {
    let c = four * p.together;
${lines(
  4,
  (
    k,
  ) => `    let o${k} = select(o + ${k}u, o, together); let c${k} = select(c, c + ${k}u, together); let in${k} = o${k} < p.outputs && c${k} < p.inputs;
    let from${k} = select(0u, weightStart(o${k}, c${k}), in${k});`,
)}
    for (var a = 0u; a < p.kh; a++) {
      for (var b = 0u; b < p.kw; b++) {
        let tap = a * p.downStep + b * p.rightStep;
        var whole = vec4f(${[0, 1, 2, 3].map((k) => `x(select(0u, from${k} + tap, in${k}))`).join(", ")});
        whole = select(vec4f(), whole, vec4<bool>(in0, in1, in2, in3));
        put(start + four * p.channelFours + a * p.downFours + b * p.rightFours, whole);
      }
    }
  }`,
});
