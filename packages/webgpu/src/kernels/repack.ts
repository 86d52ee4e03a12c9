import { type KernelIn, plain } from "./kernel.ts";

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
  return p.first + o / p.groupOutputs * p.groupStep + o % p.groupOutputs * p.outputStep + c * p.inputStep;
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
  let tap = plane % (p.kh * p.kw); let four = plane / (p.kh * p.kw);
  let a = tap / p.kw; let b = tap % p.kw;
  let firstOutput = pixel * 4u / p.together; let firstInput = four * p.together;
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let o = firstOutput + select(part, 0u, p.together == 4u); let c = firstInput + select(0u, part, p.together == 4u);
    if (o < p.outputs && c < p.inputs) {
      whole[part] = x(weightStart(o, c) + a * p.downStep + b * p.rightStep);
    }
  }
  let start = firstOutput / p.block * p.blockFours + firstOutput % p.block * p.together / 4u;
  put(start + four * p.channelFours + a * p.downFours + b * p.rightFours, whole);`,
});
