import { f32, i32 } from "../../encode/expression.ts";
import { type Kernel, plainKernel } from "../../kernels/kernel.ts";

/** The sizes of a convolution's weights [O, C / groups, KH, KW]. */
export interface WeightSizes {
  readonly outputs: number;
  readonly inputs: number;
  readonly taps: number;
  readonly groups: number;
}

/**
 * Weights for the gradient with respect to x, which is a convolution of dy: [C, O / groups, KH, KW], input and output
 * channels of each group exchanged and kernels turned by 180°. Both are in the host's order. A task is a channel of x.
 */
export function turned({ outputs, inputs, taps, groups }: WeightSizes): Kernel {
  const perGroup = outputs / groups;
  return plainKernel({
    name: `turn ${outputs}×${inputs}×${taps} in ${groups} groups`,
    operands: ["weight", "turned"],
    tasks: () => inputs * groups,
    work: outputs * inputs * taps,
    task(body, task, values) {
      const channel = body.let(task);
      const group = body.let(i32.divU(channel, i32.const(inputs)));
      const within = i32.sub(channel, i32.times(group, inputs));
      const first = i32.add(i32.times(group, 4 * perGroup * inputs * taps), i32.times(within, 4 * taps));
      const from = body.let(i32.add(values.weight, first));
      const to = body.let(i32.add(values.turned, i32.times(channel, 4 * perGroup * taps)));
      body.times(perGroup, () => {
        body.advance(from, 4 * (taps - 1));
        body.times(taps, () => {
          body.store(to, f32.load(from));
          body.advance(from, -4);
          body.advance(to, 4);
        });
        body.advance(from, 4 * (inputs * taps + 1));
      });
    },
  });
}
