import {
  AbortError,
  type Answer,
  type AnyNode,
  type Executable,
  fill,
  is,
  type ModelName,
  ops,
  type RealTensor,
  type Tensor,
  tensorOf,
  UnsupportedError,
} from "@residual/core";
import type { Bugs, Inputs, Kernel, Running, State } from "./float32-backend.ts";
import { copyOf, plain } from "./float32-backend.ts";
import { lacking, mapped, misled, pointwise, spoilt, summing, toBits, transposed } from "./kernels.ts";

/** The place where the suite has to catch a bug: one check, or the first node of a model that fails. */
export type Catch =
  | {
      readonly level: "ops";
      readonly section: "by hand" | "special values" | "PyTorch's answers" | "random shapes";
      readonly check: string;
    }
  | {
      readonly level: "nodes";
      readonly model: ModelName;
      readonly form: "as built" | "optimized";
      readonly node: string;
    }
  | { readonly level: "models"; readonly model: ModelName; readonly check: string }
  | { readonly level: "behaviour"; readonly check: string };

export interface Mutation {
  readonly bug: string;
  readonly bugs: Bugs;
  /** Every check of this list has to catch the bug. */
  readonly caught: readonly Catch[];
  /** Levels that are known to miss the bug. They show why the next level exists. */
  readonly slips?: readonly ("ops" | "nodes")[];
}

const byHand = (check: string): Catch => ({ level: "ops", section: "by hand", check });
const specially = (check: string): Catch => ({ level: "ops", section: "special values", check });
const recorded = (check: string): Catch => ({ level: "ops", section: "PyTorch's answers", check });
const random = (check: string): Catch => ({ level: "ops", section: "random shapes", check });
const built = (node: string, model: ModelName = "cifar_resnet20"): Catch => ({
  level: "nodes",
  model,
  form: "as built",
  node,
});
const fused = (node: string, model: ModelName = "cifar_resnet20"): Catch => ({
  level: "nodes",
  model,
  form: "optimized",
  node,
});
const whole = (check: string, model: ModelName = "cifar_resnet20"): Catch => ({ level: "models", model, check });
const behaves = (check: string): Catch => ({ level: "behaviour", check });

/** The same bug in plain and in fused convolutions. */
const convolutions = (kernel: (op: "conv2d" | "fusedConv2d") => Kernel): Bugs => ({
  kernels: { conv2d: kernel("conv2d"), fusedConv2d: kernel("fusedConv2d") },
});

const halfWeights = (round: (value: number) => number): Bugs =>
  convolutions((op) => misled(op, ({ weight }) => ({ inputs: { weight: mapped(weight!, round) } })));

/**
 * A planner that frees memory between nodes too early: an answer overwrites an input of its node that has the same size
 * and was read by only one node so far.
 */
function overlapping(): Bugs {
  const read = new WeakMap<Running["known"], Map<unknown, number>>();
  return {
    after: (node, { known }) => {
      const counts = read.get(known) ?? new Map<unknown, number>();
      read.set(known, counts);
      for (const input of Object.values(node.inputs)) counts.set(input, (counts.get(input) ?? 0) + 1);
      const y = known.get(node)!;
      const early = Object.values(node.inputs).find(
        (input) => input.kind === "node" && counts.get(input) === 1 && known.get(input)?.data.length === y.data.length,
      );
      if (early && known.get(early)!.data !== y.data) known.get(early)!.data.set(y.data);
    },
  };
}

/** An executable with some of its methods replaced. */
function wrapped(change: (honest: Executable) => Partial<Executable>): Bugs {
  return { executable: (honest) => ({ ...honest, ...change(honest) }) };
}

/** Accepts inputs without checking them against the graph. */
const unchecked: Bugs["check"] = (graph, inputs) => {
  const [[name, { shape }] = ["", { shape: [] }]] = Object.entries(graph.inputs);
  const given = Object.values(inputs)[0];
  const batch = given?.shape[0] ?? 1;
  const wanted = shape.map((size) => (size === "N" ? batch : size));
  const data = new Float32Array(wanted.reduce((a, b) => a * b, 1));
  data.set(
    Array.from(given?.data ?? [])
      .slice(0, data.length)
      .map(Number),
  );
  Object.assign(inputs, { [name]: tensorOf("float32", wanted, data) });
  return batch;
};

let runs = 0;
const leaked: unknown[] = [];

/** Errors of failed runs that were not reported. */
const failures: UnsupportedError[] = [];
const sharedConstants = new Map<string, RealTensor>();

/** Bugs that backends have had, or are likely to have. */
export const mutations: readonly Mutation[] = [
  {
    bug: "padding off by one: a row too many above, one too few below",
    bugs: convolutions((op) =>
      misled(op, (_, { padding: [top, left, bottom, right] }) => ({
        attributes: bottom > 0 ? { padding: [top + 1, left, bottom - 1, right] } : {},
      })),
    ),
    caught: [byHand("conv2d: stride with padding"), built("conv1"), fused("relu")],
  },
  {
    bug: "left and right padding exchanged",
    bugs: convolutions((op) =>
      misled(op, (_, { padding: [top, left, bottom, right] }) => ({
        attributes: { padding: [top, right, bottom, left] },
      })),
    ),
    caught: [
      byHand("conv2d: padding is zeros, on each side its own"),
      random("conv2d"),
      built("conv1", "keras_tutorial_resnet"),
    ],
  },
  {
    bug: "a max pool padded with zeros",
    bugs: {
      kernels: {
        maxPool2d: spoilt("maxPool2d", (y, _, __, { padding }) => {
          if (Math.max(...padding) > 0) for (let i = 0; i < y.length; i++) y[i] = Math.max(y[i]!, 0);
        }),
      },
    },
    caught: [byHand("maxPool2d: padding never wins"), random("maxPool2d")],
    slips: ["nodes"], // behind a ReLU no pixel is negative
  },
  {
    bug: "epsilon 1e-3 for 1e-5",
    bugs: { kernels: { batchNorm: misled("batchNorm", () => ({ attributes: { epsilon: 1e-3 } })) } },
    caught: [byHand("batchNorm: epsilon is added to the variance, under the root"), built("bn1")],
  },
  {
    bug: "epsilon added to the deviation, not to the variance",
    bugs: {
      kernels: {
        batchNorm: misled("batchNorm", ({ variance }, { epsilon }) => ({
          inputs: { variance: mapped(variance!, (v) => (Math.sqrt(v) + epsilon) ** 2) },
          attributes: { epsilon: 0 },
        })),
      },
    },
    caught: [byHand("batchNorm: epsilon is added to the variance, under the root"), built("bn1")],
  },
  {
    bug: "divided by the variance, not by its root",
    bugs: {
      kernels: {
        batchNorm: misled("batchNorm", ({ variance }, { epsilon }) => ({
          inputs: { variance: mapped(variance!, (v) => (v + epsilon) ** 2) },
          attributes: { epsilon: 0 },
        })),
      },
    },
    caught: [byHand("batchNorm: mean, variance, scale and shift of each channel"), built("bn1")],
  },
  {
    bug: "the unbiased variance, n / (n − 1) times as large",
    bugs: {
      kernels: {
        batchNorm: misled("batchNorm", ({ variance }) => ({
          inputs: { variance: mapped(variance!, (v) => (v * 1024) / 1023) },
        })),
      },
    },
    caught: [byHand("batchNorm: mean, variance, scale and shift of each channel"), built("bn1")],
  },
  {
    bug: "the running mean is not subtracted",
    bugs: { kernels: { batchNorm: misled("batchNorm", ({ mean }) => ({ inputs: { mean: mapped(mean!, () => 0) } })) } },
    caught: [byHand("batchNorm: mean, variance, scale and shift of each channel"), built("bn1")],
  },
  {
    bug: "shift and mean exchanged",
    bugs: {
      kernels: { batchNorm: misled("batchNorm", ({ shift, mean }) => ({ inputs: { shift: mean!, mean: shift! } })) },
    },
    caught: [byHand("batchNorm: mean, variance, scale and shift of each channel"), built("bn1")],
  },
  {
    bug: "the first and the last group exchanged",
    bugs: convolutions((op) =>
      misled(op, ({ weight }, { groups }) => {
        const group = weight!.data.length / groups;
        const order = (g: number) => (g === 0 ? groups - 1 : g === groups - 1 ? 0 : g);
        return {
          inputs: {
            weight: mapped(weight!, (_, i) => weight!.data[order(Math.floor(i / group)) * group + (i % group)]!),
          },
        };
      }),
    ),
    caught: [byHand("conv2d: groups stay in order"), built("layer1.0.conv2", "resnext14_32x4d")],
  },
  {
    bug: "the last channel's bias is dropped",
    bugs: convolutions((op) =>
      misled(op, ({ bias }) =>
        bias ? { inputs: { bias: mapped(bias, (b, i) => (i === bias.data.length - 1 ? 0 : b)) } } : {},
      ),
    ),
    caught: [byHand("conv2d: a bias for each channel, at each pixel"), fused("relu")],
  },
  {
    bug: "the kernel is flipped",
    bugs: convolutions((op) =>
      misled(op, ({ weight }) => {
        const taps = weight!.shape[2]! * weight!.shape[3]!;
        return { inputs: { weight: mapped(weight!, (_, i) => weight!.data[i - (i % taps) + taps - 1 - (i % taps)]!) } };
      }),
    ),
    caught: [byHand("conv2d: the kernel is not flipped"), built("conv1"), fused("relu")],
  },
  {
    bug: "rows and columns of the kernel exchanged",
    bugs: convolutions((op) =>
      misled(op, ({ weight }) => {
        const [, , kh, kw] = weight!.shape as [number, number, number, number];
        const swap = (i: number) => i - (i % (kh * kw)) + (i % kw) * kh + (Math.floor(i / kw) % kh);
        return kh === kw ? { inputs: { weight: mapped(weight!, (_, i) => weight!.data[swap(i)]!) } } : {};
      }),
    ),
    caught: [byHand("conv2d: the kernel is not flipped"), built("conv1"), fused("relu")],
  },
  {
    bug: "weights of a square convolution transposed",
    bugs: convolutions((op) => misled(op, ({ weight }) => ({ inputs: { weight: transposed(weight!) } }))),
    caught: [
      byHand("conv2d: weights of a square layer are [out, in]"),
      built("layer1.0.conv1"),
      fused("layer1.0.relu"),
    ],
  },
  {
    bug: "weights of a square linear layer transposed",
    bugs: { kernels: { linear: misled("linear", ({ weight }) => ({ inputs: { weight: transposed(weight!) } })) } },
    caught: [byHand("linear: weights of a square layer are [out, in]")],
    slips: ["nodes"], // no network of the family has a square linear layer
  },
  {
    bug: "dilation ignored",
    bugs: convolutions((op) =>
      misled(op, ({ weight }, { dilation: [down, right], padding: [top, left, bottom, end] }) => {
        const [, , kh, kw] = weight!.shape as [number, number, number, number];
        const cut = [(down - 1) * (kh - 1), (right - 1) * (kw - 1)] as const;
        return { attributes: { dilation: [1, 1], padding: [top, left, bottom - cut[0], end - cut[1]] } };
      }),
    ),
    caught: [byHand("conv2d: dilation, down and right each its own"), random("conv2d")],
    slips: ["nodes"],
  },
  {
    bug: "a strided window begins one pixel too late",
    bugs: convolutions((op) =>
      misled(op, (_, { stride, padding: [top, left, bottom, right] }) => ({
        attributes: stride[0] > 1 && top > 0 ? { padding: [top - 1, left, bottom + 1, right] } : {},
      })),
    ),
    caught: [byHand("conv2d: stride with padding"), built("layer2.0.conv1"), fused("layer2.0.relu")],
  },
  {
    bug: "the stride on the second convolution of a block, not on the first",
    bugs: {
      rules: {
        conv2d(second) {
          const relu = second.inputs.x;
          const norm = is(relu, "relu") ? relu.inputs.x : undefined;
          const first = is(norm, "batchNorm") ? norm.inputs.x : undefined;
          if (
            !is(norm, "batchNorm") ||
            !is(first, "conv2d") ||
            first.attributes.stride[0] !== 2 ||
            second.attributes.stride[0] !== 1
          )
            return second;
          const unstrided = ops.conv2d(first.inputs, { ...first.attributes, stride: 1 });
          const x = ops.relu({ x: ops.batchNorm({ ...norm.inputs, x: unstrided }, norm.attributes) });
          return ops.conv2d({ ...second.inputs, x }, { ...second.attributes, stride: 2 });
        },
      },
    },
    caught: [whole("layer2")],
    slips: ["ops", "nodes"],
  },
  {
    bug: "sums kept in float16",
    bugs: convolutions(() => summing(toBits(11))),
    caught: [recorded("conv_k3_s1_p1"), built("conv1")],
  },
  {
    bug: "products of TF32: 11 bits of each factor",
    bugs: convolutions((op) =>
      misled(op, ({ x, weight }) => ({ inputs: { x: mapped(x!, toBits(11)), weight: mapped(weight!, toBits(11)) } })),
    ),
    caught: [recorded("conv_k3_s1_p1"), built("conv1"), fused("relu")],
  },
  {
    bug: "weights kept in bfloat16, and not said so",
    bugs: halfWeights(toBits(8)),
    caught: [recorded("conv_k3_s1_p1"), built("conv1"), fused("relu")],
  },
  {
    bug: "weights kept in float16, and not said so",
    bugs: halfWeights(toBits(11)),
    caught: [recorded("conv_k3_s1_p1"), built("conv1"), fused("relu")],
  },
  {
    bug: "weights kept in int8, and not said so",
    bugs: convolutions((op) =>
      misled(op, ({ weight }) => {
        const step = weight!.data.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / 127;
        return { inputs: { weight: mapped(weight!, (w) => Math.round(w / step) * step) } };
      }),
    ),
    caught: [recorded("conv_k3_s1_p1"), built("conv1"), fused("relu")],
  },
  {
    bug: "the last column skipped where the width is no multiple of the tile's four",
    bugs: convolutions((op) =>
      spoilt(op, (y, [, , , ow = 1]) => {
        if (ow % 4 !== 0) for (let i = ow - 1; i < y.length; i += ow) y[i] = 0;
      }),
    ),
    caught: [byHand("conv2d: seven columns: none is skipped where tiles are of four or eight"), random("conv2d")],
    slips: ["nodes"], // 32, 16 and 8 columns
  },
  {
    bug: "channels beyond the last block of four skipped",
    bugs: convolutions((op) =>
      spoilt(op, (y, [, o = 1, oh = 1, ow = 1]) => {
        for (let i = 0; i < y.length; i++) if (Math.floor(i / (oh * ow)) % o >= o - (o % 4)) y[i] = 0;
      }),
    ),
    caught: [byHand("conv2d: seven columns: none is skipped where tiles are of four or eight"), random("conv2d")],
    slips: ["nodes"],
  },
  {
    bug: "terms of a sum beyond the last block of eight lost",
    bugs: {
      kernels: {
        linear: misled("linear", ({ x }) => ({
          inputs: { x: mapped(x!, (v, i) => (i % x!.shape[1]! >= x!.shape[1]! - (x!.shape[1]! % 8) ? 0 : v)) },
        })),
      },
    },
    caught: [byHand("linear: nine features: the last is not lost where sums go by eight"), random("linear")],
    slips: ["nodes"], // 64 features
  },
  {
    bug: "one pixel wrong in outputs of more than 16,000",
    bugs: convolutions((op) =>
      spoilt(op, (y) => {
        if (y.length > 16_000) y[12_345]! += 0.001;
      }),
    ),
    caught: [built("conv1"), fused("relu")],
    slips: ["ops"],
  },
  {
    bug: "relu before the residual is added",
    bugs: {
      kernels: {
        fusedConv2d: (inputs, attributes, shape) => {
          const { residual, ...rest } = inputs;
          const y = plain("fusedConv2d")(rest, attributes, shape);
          return residual ? y.map((value, i) => value + residual.data[i]!) : y;
        },
      },
    },
    caught: [byHand("fusedConv2d: relu comes after the residual, not before"), fused("layer1.0.relu_1")],
  },
  {
    bug: "the residual is dropped",
    bugs: {
      kernels: {
        fusedConv2d: lacking("fusedConv2d", "residual"),
      },
    },
    caught: [byHand("fusedConv2d: bias and residual are added once each"), fused("layer1.0.relu_1")],
  },
  {
    bug: "the residual is added twice",
    bugs: {
      kernels: {
        fusedConv2d: misled("fusedConv2d", ({ residual }) =>
          residual ? { inputs: { residual: mapped(residual, (r) => 2 * r) } } : {},
        ),
      },
    },
    caught: [byHand("fusedConv2d: bias and residual are added once each"), fused("layer1.0.relu_1")],
  },
  {
    bug: "the fused relu forgotten",
    bugs: { kernels: { fusedConv2d: misled("fusedConv2d", () => ({ attributes: { relu: false } })) } },
    caught: [byHand("fusedConv2d: bias, then relu"), fused("relu")],
  },
  {
    bug: "relu6 for relu",
    bugs: { kernels: { relu: pointwise((x) => Math.min(Math.max(x, 0), 6)) } },
    caught: [byHand("relu: large numbers are not cut off at 6")],
  },
  {
    bug: "a leaky relu, slope 0.01",
    bugs: { kernels: { relu: pointwise((x) => (x < 0 ? 0.01 * x : x)) } },
    caught: [byHand("relu: no slope below 0"), built("relu")],
  },
  {
    bug: "relu drops NaN",
    bugs: { kernels: { relu: pointwise((x) => (Number.isNaN(x) ? 0 : Math.max(x, 0))) } },
    caught: [specially("relu: NaN stays")],
    slips: ["nodes"],
  },
  {
    bug: "a pool that keeps the first of its window where that is NaN, and no other NaN",
    bugs: {
      kernels: {
        maxPool2d: (inputs, attributes, shape) =>
          plain("maxPool2d")({ x: mapped(inputs.x!, (v) => (Number.isNaN(v) ? -Infinity : v)) }, attributes, shape),
      },
    },
    caught: [specially("maxPool2d: NaN in place 4 of a window is its answer")],
    slips: ["nodes"],
  },
  {
    bug: "an average pool that divides by the whole window at the edge",
    bugs: {
      kernels: {
        averagePool2d: spoilt("averagePool2d", (y, [, , oh = 1, ow = 1], { x }, { window, stride }) => {
          const [, , h, w] = x!.shape as [number, number, number, number];
          for (let i = 0; i < y.length; i++) {
            const seen =
              Math.min(window[0], h - (Math.floor(i / ow) % oh) * stride[0]) *
              Math.min(window[1], w - (i % ow) * stride[1]);
            y[i]! *= seen / (window[0] * window[1]);
          }
        }),
      },
    },
    caught: [byHand("averagePool2d: with ceil a last window is divided by what it sees"), random("averagePool2d")],
  },
  {
    bug: "an average over rows alone",
    bugs: {
      kernels: {
        globalAveragePool: ({ x }, _, [n = 1, c = 1]) => {
          const [, , h, w] = x!.shape as [number, number, number, number];
          return Float32Array.from({ length: n * c }, (__, plane) => {
            let sum = 0;
            for (let row = 0; row < h; row++) sum += x!.data[(plane * h + row) * w]!;
            return sum / h;
          });
        },
      },
    },
    caught: [byHand("globalAveragePool: seven by seven"), built("avgpool"), fused("avgpool")],
  },
  {
    bug: "softmax without the largest taken off",
    bugs: {
      kernels: {
        softmax: ({ x }, _, [, classes = 1]) =>
          x!.data.map((value, i) => {
            const start = i - (i % classes);
            return (
              Math.fround(Math.exp(value)) /
              x!.data.slice(start, start + classes).reduce((sum, each) => Math.fround(sum + Math.exp(each)), 0)
            );
          }),
      },
    },
    caught: [byHand("softmax: large logits do not overflow")],
  },
  {
    bug: "softmax over the batch",
    bugs: {
      kernels: {
        softmax: ({ x }, _, [n = 1, classes = 1]) =>
          x!.data.map((value, i) => {
            let sum = 0;
            for (let row = 0; row < n; row++) sum += Math.exp(x!.data[row * classes + (i % classes)]! - value);
            return 1 / sum;
          }),
      },
    },
    caught: [byHand("softmax: over classes, not over images"), built("probabilities", "keras_tutorial_resnet")],
  },
  {
    bug: "the logarithm of a softmax for logSoftmax",
    bugs: {
      kernels: { logSoftmax: (inputs, attributes, shape) => plain("softmax")(inputs, attributes, shape).map(Math.log) },
    },
    caught: [byHand("logSoftmax: small probabilities are not lost")],
  },
  {
    bug: "the bias of a linear layer dropped",
    bugs: {
      kernels: { linear: lacking("linear", "bias") },
    },
    caught: [byHand("linear: a bias for each output"), built("fc"), fused("fc")],
  },
  {
    bug: "every second pixel, from the second on",
    bugs: {
      kernels: {
        subsample: ({ x }, attributes, shape) =>
          plain("subsample")({ x: mapped(x!, (value, i) => x!.data[i + 1] ?? value) }, attributes, shape),
      },
    },
    caught: [byHand("subsample: begins with the first pixel"), built("layer2.0.subsample")],
  },
  {
    bug: "all zero channels behind",
    bugs: {
      kernels: {
        padChannels: misled("padChannels", (_, { before, after }) => ({
          attributes: { before: 0, after: before + after },
        })),
      },
    },
    caught: [byHand("padChannels: zeros before and after, in this order"), built("layer2.0.pad")],
  },
  {
    bug: "flattened with the channels last",
    bugs: {
      kernels: {
        flatten: ({ x }) => {
          const [, c, h, w] = x!.shape as [number, number, number, number];
          const at = (i: number) => (Math.floor(i / (c * h * w)) * c + (i % c)) * h * w + (Math.floor(i / c) % (h * w));
          return x!.data.map((_, i) => x!.data[at(i)]!);
        },
      },
    },
    caught: [byHand("flatten: channels, then rows, then columns")],
    slips: ["nodes"], // behind a global pool there is one pixel
  },
  {
    bug: "a hard sigmoid",
    bugs: { kernels: { sigmoid: pointwise((x) => Math.min(Math.max(x / 6 + 0.5, 0), 1)) } },
    caught: [byHand("sigmoid: the logistic function, not a line through it")],
  },
  {
    bug: "the gate of a channel given to a column",
    bugs: {
      kernels: {
        multiply: ({ x, gate }, _, [, c = 1, , w = 1]) =>
          x!.data.map(
            (value, i) => value * gate!.data[Math.floor(i / (x!.data.length / x!.shape[0]!)) * c + ((i % w) % c)]!,
          ),
      },
    },
    caught: [byHand("multiply: a square: channels are gated, not columns"), random("multiply")],
  },
  {
    bug: "a sum that skips what is left over of four",
    bugs: {
      kernels: {
        add: ({ a, b }) =>
          a!.data.map((value, i) => (i < a!.data.length - (a!.data.length % 4) ? value + b!.data[i]! : value)),
      },
    },
    caught: [byHand("add: five numbers: none is skipped where they go by four"), random("add")],
    slips: ["nodes"],
  },
  {
    bug: "constants cached by name, over graphs",
    bugs: {
      executable: (honest, graph) => {
        for (const value of Object.values(graph.outputs)) {
          for (const [name, input] of Object.entries((value as AnyNode).inputs ?? {})) {
            if (input.kind !== "constant") continue;
            const constant = input.source as RealTensor;
            const key = `${name} ${constant.shape}`;
            const before = sharedConstants.get(key);
            if (before) constant.data.set(before.data);
            else sharedConstants.set(key, { ...constant, data: constant.data.slice() } as RealTensor);
          }
        }
        return honest;
      },
    },
    caught: [recorded("conv_k1_s1_p1_bias")],
  },
  {
    bug: "a buffer given away while somebody still has to read it",
    bugs: overlapping(),
    caught: [whole("layer1")],
    slips: ["ops", "nodes"],
  },
  {
    bug: "two outputs exchanged",
    bugs: wrapped((honest) => ({
      async run(inputs, work) {
        const answers = Object.entries(await honest.run(inputs, work));
        const names = answers.map(([name]) => name);
        return Object.fromEntries(names.map((name, i) => [name, answers[names.length - 1 - i]![1]]));
      },
    })),
    caught: [behaves("outputs of any kind")],
  },
  {
    bug: "of a batch, all images but the first are stale",
    bugs: {
      after: (node, { known }) => {
        const y = known.get(node)!;
        const [n = 1] = y.shape;
        if (node.op === "globalAveragePool" && n > 1) y.data.fill(0, y.data.length / n);
      },
    },
    caught: [behaves("a batch equals its parts")],
    slips: ["nodes"],
  },
  {
    bug: "every image of a batch has the answer of the first",
    bugs: {
      after: (node, { known }) => {
        const y = known.get(node)!;
        const image = y.data.length / (y.shape[0] ?? 1);
        if (node.op === "linear") for (let at = image; at < y.data.length; at += image) y.data.copyWithin(at, 0, image);
      },
    },
    caught: [byHand("linear: each row of a batch"), behaves("a batch equals its parts")],
    slips: ["nodes"],
  },
  {
    bug: "another answer each time: threads that race for one sum",
    bugs: {
      kernels: {
        linear: spoilt("linear", (y) => {
          runs++;
          y[0]! *= 1 + 1e-7 * (runs % 3);
        }),
      },
    },
    caught: [behaves("same input, same bits")],
  },
  {
    bug: "an answer that lies in the backend's own memory",
    bugs: (() => {
      const own = new Float32Array(10);
      return wrapped((honest) => ({
        async run(inputs, work) {
          const { logits } = await honest.run(inputs, work);
          own.set(logits!.data);
          return { logits: tensorOf("float32", logits!.shape, own.subarray(0, logits!.data.length)) };
        },
      }));
    })(),
    caught: [behaves("answers stay as they are")],
  },
  {
    bug: "runs that overlap share their input",
    bugs: wrapped((honest) => {
      let shared: Inputs = {};
      return {
        async run(inputs, work) {
          shared = inputs;
          await Promise.resolve();
          return honest.run(shared, work);
        },
      };
    }),
    caught: [behaves("eight overlapping runs")],
  },
  {
    bug: "the input is worked on in place",
    bugs: wrapped((honest) => ({
      async run(inputs, work) {
        const answers = await honest.run(inputs, work);
        for (const { data } of Object.values(inputs)) data[0] = 0;
        return answers;
      },
    })),
    caught: [behaves("inputs are not changed")],
  },
  {
    bug: "the input's buffer is transferred to another thread",
    bugs: wrapped((honest) => ({
      async run(inputs, work) {
        const moved = Object.entries(inputs).map(
          ([name, { shape, data }]) =>
            [
              name,
              tensorOf("float32", shape, structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })),
            ] as const,
        );
        return honest.run(Object.fromEntries(moved), work);
      },
    })),
    caught: [behaves("inputs are not changed")],
  },
  {
    bug: "abort is not looked at",
    bugs: wrapped((honest) => ({ run: (inputs) => honest.run(inputs) })),
    caught: [behaves("aborted before it starts"), behaves("aborted in mid run")],
  },
  {
    bug: "abort is looked at only before a run",
    bugs: wrapped((honest) => ({
      run: (inputs, work) => honest.run(inputs, work?.signal?.aborted ? work : {}),
    })),
    caught: [behaves("aborted in mid run")],
  },
  {
    bug: "a failure is told to the run beside it",
    bugs: wrapped((honest) => ({
      async run(inputs, work) {
        try {
          const answers = await honest.run(inputs, work);
          const failure = failures.pop();
          if (failure) throw failure;
          return answers;
        } catch (error) {
          if (!(error instanceof AbortError)) throw error;
          failures.push(new UnsupportedError("another run was aborted"));
          return {};
        }
      },
    })),
    caught: [behaves("a neighbour's failure is not mine")],
  },
  {
    bug: "a run after dispose is answered",
    bugs: wrapped(() => ({ dispose: async () => {}, [Symbol.asyncDispose]: async () => {} })),
    caught: [behaves("disposed twice, then run")],
  },
  {
    bug: "a second dispose throws",
    bugs: wrapped((honest) => {
      let disposed = false;
      const dispose = async () => {
        if (disposed) throw new UnsupportedError("disposed already");
        disposed = true;
        await honest.dispose();
      };
      return { dispose, [Symbol.asyncDispose]: dispose };
    }),
    caught: [behaves("disposed twice, then run")],
  },
  {
    bug: "inputs are not checked",
    bugs: { check: unchecked },
    caught: ["a wrong name", "a wrong size", "a detached buffer", "a wrong dtype", "an input too many"].map((what) =>
      behaves(`refuses ${what}`),
    ),
  },
  {
    bug: "errors are strings",
    bugs: wrapped((honest) => ({
      run: (inputs, work) =>
        honest.run(inputs, work).catch((error: unknown) => {
          throw String(error);
        }),
    })),
    caught: [behaves("refuses no input"), behaves("aborted before it starts")],
  },
  {
    bug: "each compile keeps its weights for ever",
    bugs: {
      executable: (honest) => {
        leaked.push(fill("leak", "weights", [270_000], 0, 1));
        return honest;
      },
    },
    caught: [behaves("200 rounds of compile, run and dispose")],
  },
  {
    bug: "each compile leaves a timer",
    bugs: {
      executable: (honest) => {
        leaked.push(setInterval(() => {}, 1e6));
        return honest;
      },
    },
    caught: [behaves("200 rounds of compile, run and dispose")],
  },
  {
    bug: "updates of variables are carried out one after the other",
    bugs: {
      update: (state, updates, known) => {
        for (const { variable, value } of updates) {
          const current = value.kind === "variable" ? state.get(value) : undefined;
          state.set(variable, copyOf(current ?? known.get(value)!));
        }
      },
    },
    caught: [behaves("updates take effect together")],
  },
  {
    bug: "executables of one graph share their variables",
    bugs: { state: sharedByGraph() },
    caught: [behaves("a counter counts the runs of its executable")],
  },
  {
    bug: "a weight is packed once, and not again when it changes",
    bugs: { kernels: { conv2d: packedOnce() } },
    caught: [behaves("a weight that changes between runs")],
  },
  {
    bug: "a read gives out the memory of the variable",
    bugs: {
      executable: (honest) => {
        const given = new Map<string, Answer>();
        const read: Executable["read"] = async (names, work) => {
          const fresh = await honest.read(names, work);
          for (const name of names) if (!given.has(name)) given.set(name, fresh[name]!);
          return Object.fromEntries(names.map((name) => [name, given.get(name)!]));
        };
        return { ...honest, read };
      },
    },
    caught: [behaves("variables are given out as copies")],
  },
];

function sharedByGraph(): NonNullable<Bugs["state"]> {
  const states = new WeakMap<object, State>();
  return (graph, fresh) => {
    const state = states.get(graph) ?? fresh;
    states.set(graph, state);
    return state;
  };
}

/** Keeps using the first weights of each shape. */
function packedOnce(): Kernel {
  const packed = new Map<string, Tensor<"float32">>();
  return (inputs, attributes, shape) => {
    const weight = inputs.weight!;
    const key = weight.shape.join();
    if (!packed.has(key)) packed.set(key, weight);
    return plain("conv2d")({ ...inputs, weight: packed.get(key)! }, attributes, shape);
  };
}

/** Releases memory that was leaked on purpose. */
export function tidyUp(): void {
  for (const each of leaked.splice(0))
    if (typeof each === "object" && each !== null && "hasRef" in each) clearInterval(each as NodeJS.Timeout);
}
