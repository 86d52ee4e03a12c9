import { type Backend, ops, optimize, type Rules, rewrite } from "@residual/core";

/** A fault that backends have had, as a change of the graph before it is compiled. */
export interface Fault {
  readonly title: string;
  readonly story: string;
  readonly rules: Rules;
}

export type FaultName = "padding" | "relu" | "bias";

export const faults: { readonly [Name in FaultName]: Fault } = {
  padding: {
    title: "Strided convolutions pad at the wrong end",
    story: "PyTorch pads all sides alike. TensorFlow's SAME begins a strided window one pixel later.",
    rules: {
      fusedConv2d(conv) {
        const { padding, stride } = conv.attributes;
        const [top, left, bottom, right] = padding;
        if (stride[0] === 1 || top === 0 || top !== bottom) return conv;
        const late = [top - 1, left - 1, bottom + 1, right + 1] as const;
        return ops.fusedConv2d(conv.inputs, { ...conv.attributes, padding: late });
      },
    },
  },
  relu: {
    title: "The sum at a block's end forgets its ReLU",
    story: "The sum stays as it is, as in a pre-activation ResNet.",
    rules: {
      fusedConv2d: (conv) =>
        conv.inputs.residual && conv.attributes.relu
          ? ops.fusedConv2d(conv.inputs, { ...conv.attributes, relu: false })
          : conv,
    },
  },
  bias: {
    title: "The last layer leaves out its bias",
    story: "Small enough that the top answer often stays the same: only the bound tells.",
    rules: {
      linear: (layer) => (layer.inputs.bias ? ops.linear({ x: layer.inputs.x, weight: layer.inputs.weight }) : layer),
    },
  },
};

/** A backend with a planted fault. */
export function withFault(backend: Backend, fault: FaultName): Backend {
  const { rules } = faults[fault];
  return {
    name: `${backend.name}, broken on purpose`,
    describe: () => backend.describe(),
    compile: (graph, options) => backend.compile(rewrite(optimize(graph), rules), options),
  };
}
