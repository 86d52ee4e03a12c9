import { check } from "../ir/errors.ts";
import type { Update } from "../ir/graph.ts";
import { zeros } from "../ir/source.ts";
import { type AnyNode, named, type Value, type Variable, variable } from "../ir/value.ts";
import { adamStep, affine, descend, movingAverage, times } from "../ops/index.ts";

/** A parameter that a step updates. */
export interface Trained {
  readonly parameter: Variable;
  readonly gradient: Value;
  /** Whether an op reads it as its weight. Biases, and the scales and shifts of norms, are no weights. */
  readonly isWeight: boolean;
  /** Factor of the learning rate. */
  readonly rate: number;
}

/** What an optimizer gets to build its updates of. */
export interface OptimizerInputs {
  readonly trained: readonly Trained[];
  /** A scalar. */
  readonly learningRate: Value;
  /** A scalar by which all gradients are multiplied, if there is one. */
  readonly factor?: Value;
}

/** An optimizer: the updates of all parameters and of its own state, as values of the graph. */
export type Optimizer = (inputs: OptimizerInputs) => readonly Update[];

export interface DecayOptions {
  /** Weight decay. Default 0. */
  readonly weightDecay?: number;
  /**
   * Whether the decay is part of the gradient (L2 regularization, as in torch.optim.SGD and Adam), and so of momentum.
   * Default false: the decay is decoupled, as in AdamW.
   */
  readonly coupled?: boolean;
  /** Whether biases and the parameters of norms decay too, as in PyTorch. Default false. */
  readonly decayAll?: boolean;
}

export interface SgdOptions extends DecayOptions {
  /** Default 0.9. */
  readonly momentum?: number;
  /** Whether the gradient is taken one step ahead (Nesterov). Default false. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with momentum:
 *
 *   buffer ← momentum · buffer + gradient;  parameter ← parameter − learningRate · buffer
 *
 * With `nesterov` the direction is gradient + momentum · buffer. The buffer of `fc.weight` is the variable
 * `fc.weight.momentum_buffer`; it starts at 0.
 *
 * S1  momentum is at least 0 and below 1, and above 0 with nesterov.
 * S2  weightDecay is finite and not negative.
 * Source: PyTorch torch.optim.SGD (Sutskever et al. 2013 differ: they multiply the learning rate into the buffer).
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum = 0.9, nesterov = false } = options;
  const isShare = momentum >= 0 && momentum < 1 && (momentum > 0 || !nesterov);
  check(isShare, "sgd.S1", `momentum is ${momentum}, expected a number from 0 to 1, above 0 with nesterov`);
  const decayOf = decays("sgd.S2", options);
  return ({ trained, learningRate, factor }) =>
    trained.flatMap((each): Update[] => {
      const { parameter, gradient, rate } = each;
      const { inGradient, inStep } = decayOf(each);
      if (momentum === 0) {
        const direction = factor ? times({ a: gradient, b: factor }) : gradient;
        const decay = inGradient + inStep; // the same without a buffer
        return [updateOf(parameter, descend({ parameter, direction, learningRate }, { rate, decay }))];
      }
      const value = { value: gradient, factor, ...(inGradient > 0 && { parameter }) };
      const buffer = variable(`${parameter.name}.momentum_buffer`, zeros(parameter.shape));
      const add = (average: Value) =>
        movingAverage({ average, ...value }, { keep: momentum, share: 1, decay: inGradient });
      const next = named(`${buffer.name}.next`, add(buffer));
      const direction = nesterov ? named(`${parameter.name}.direction`, add(next)) : next;
      const step = descend({ parameter, direction, learningRate }, { rate, decay: inStep });
      return [{ variable: buffer, value: next }, updateOf(parameter, step)];
    });
}

export interface AdamwOptions extends DecayOptions {
  /** How much of the moving averages of the gradient and of its square each step keeps. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Adam with decoupled weight decay. The moments of `fc.weight` are the variables `fc.weight.exp_avg` and
 * `fc.weight.exp_avg_sq`. Three scalars are common to all parameters: `step` counts the steps, and `adamw.mean_weight`
 * and `adamw.square_weight` are 1 − β^step, as moving averages of 1. In float32 1 − 0.999 is off by 10⁻⁵, and their
 * first values by 10⁻⁷.
 *
 * A1  betas are at least 0 and below 1.
 * A2  weightDecay is finite and not negative.
 * Source: PyTorch torch.optim.AdamW; with `coupled`, torch.optim.Adam. Loshchilov and Hutter 2019, algorithm 2.
 */
export function adamw(options: AdamwOptions = {}): Optimizer {
  const { betas = [0.9, 0.999], epsilon = 1e-8 } = options;
  const areShares = betas.every((beta) => beta >= 0 && beta < 1);
  check(areShares, "adamw.A1", `betas are ${betas.join(" and ")}, expected numbers from 0 to 1`);
  const decayOf = decays("adamw.A2", options);
  const [first, second] = betas;
  return ({ trained, learningRate, factor }) => {
    const count = scalar("step", (steps) => affine({ x: steps }, { offset: 1 }));
    const growing = (name: string, beta: number) =>
      scalar(name, (weight) => affine({ x: weight }, { factor: beta, offset: 1 - beta }));
    const [meanWeight, squareWeight] = [growing("adamw.mean_weight", first), growing("adamw.square_weight", second)];
    const weights = { meanWeight: meanWeight.value, squareWeight: squareWeight.value };
    const updates = trained.flatMap((each): Update[] => {
      const { parameter, gradient, rate } = each;
      const { inGradient: decay, inStep } = decayOf(each);
      const value = { value: gradient, factor, ...(decay > 0 && { parameter }) };
      const averages = ["exp_avg", "exp_avg_sq"].map((name) =>
        variable(`${parameter.name}.${name}`, zeros(parameter.shape)),
      ) as [Variable, Variable];
      const mean = updateOf(averages[0], movingAverage({ average: averages[0], ...value }, { keep: first, decay }));
      const square = updateOf(
        averages[1],
        movingAverage({ average: averages[1], ...value }, { keep: second, decay, squared: true }),
      );
      const inputs = { parameter, mean: mean.value, square: square.value, ...weights, learningRate };
      return [mean, square, updateOf(parameter, adamStep(inputs, { epsilon, rate, decay: inStep }))];
    });
    return [count, meanWeight, squareWeight, ...updates];
  };
}

/** A scalar that starts at 0. */
function scalar(name: string, next: (value: Variable) => AnyNode): Update {
  const state = variable(name, zeros([]));
  return updateOf(state, next(state));
}

/** An update by a new node, which is named after the variable. */
export function updateOf(variable: Variable, node: AnyNode): Update & { readonly value: AnyNode } {
  return { variable, value: named(`${variable.name}.next`, node) };
}

/** The weight decay of each parameter: in its gradient, or in the step. */
function decays(
  label: string,
  { weightDecay = 0, coupled = false, decayAll = false }: DecayOptions,
): (trained: Trained) => { readonly inGradient: number; readonly inStep: number } {
  const isDecay = weightDecay >= 0 && weightDecay < Infinity;
  check(isDecay, label, `weightDecay is ${weightDecay}, expected a finite number of at least 0`);
  return ({ isWeight }) => {
    const decay = isWeight || decayAll ? weightDecay : 0;
    return coupled ? { inGradient: decay, inStep: 0 } : { inGradient: 0, inStep: decay };
  };
}
