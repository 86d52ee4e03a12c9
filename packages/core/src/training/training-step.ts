import { check, ShapeError } from "../ir/errors.ts";
import { type Graph, graph, nodesOf, type Update, variablesOf } from "../ir/graph.ts";
import { nearestFirst, shortList } from "../ir/messages.ts";
import { zeros } from "../ir/source.ts";
import { tensorOf } from "../ir/tensor.ts";
import { type AnyNode, constant, formatShape, input, named, type Value, type Variable, variable } from "../ir/value.ts";
import {
  add,
  affine,
  choose,
  clipFactor,
  crossEntropy,
  meanSquaredError,
  movingAverage,
  sumOfSquares,
  times,
} from "../ops/index.ts";
import { rolesOf } from "../ops/nodes.ts";
import { differentiate } from "../passes/differentiate.ts";
import { type Optimizer, type Trained, updateOf } from "./optimizers.ts";

/** The losses by name: from the network's output and a target of its shape. */
export const losses = {
  /** Softmax cross-entropy; each row of the target is a distribution over the classes. */
  crossEntropy: (prediction: Value, target: Value): AnyNode => crossEntropy({ logits: prediction, target }),
  meanSquaredError: (prediction: Value, target: Value): AnyNode => meanSquaredError({ x: prediction, target }),
} as const;

export type LossName = keyof typeof losses;

export interface TrainingStepOptions {
  /** A loss by name, or a function that builds a scalar from the network's output and the input `target`. */
  readonly loss: LossName | ((prediction: Value, target: Value) => AnyNode);
  readonly optimizer: Optimizer;
  /** The output that the loss compares to the target. Default "logits". */
  readonly output?: string;
  /** The largest norm of the gradient over all parameters; a longer gradient is scaled to it. Default: no limit. */
  readonly clip?: number;
  /**
   * How much of the averaged weights each step keeps, such as 0.999. The average of `fc.weight` is the variable
   * `fc.weight.ema`; it starts at the weight. Running statistics are averaged too. Default: no averages.
   */
  readonly average?: number;
  /**
   * The number of batches whose mean gradient makes one step. Adds the scalar input `apply`: 1 for the last batch of a
   * step, 0 for the others. Default: each batch makes a step.
   */
  readonly accumulate?: number;
  /** Factors of the learning rate by the name of a parameter or module; the longest name decides. Default 1. */
  readonly rates?: { readonly [module: string]: number };
}

/** The inputs that a step adds to the network's. */
export type StepInput<Options> = "target" | "learningRate" | (Options extends { accumulate: number } ? "apply" : never);

/**
 * One step of training as a graph: a function of the batch and of the variables, which it updates.
 *
 *   inputs    those of the network, `target` (the shape of its output), `learningRate` (a scalar), maybe `apply`
 *   outputs   `loss` (a scalar, from before the step), and those of the network
 *   updates   parameters, the optimizer's state, running statistics, averages
 *
 * The network is in training mode (`trainable`). Its variables that have no update yet, and that the loss depends on,
 * are its parameters. The gradient of `fc.weight` is the node `fc.weight.gradient`, which `select` makes an output.
 *
 * With `accumulate`, gradients are added up in the variables `PARAMETER.gradient_sum`. One graph does both, adding and
 * applying, since variables belong to one executable; while `apply` is 0 the optimizer's updates are computed and
 * dropped, which costs little compared to the gradients. Running statistics are updated by each batch, as in PyTorch.
 *
 * P1  the network has the output.
 * P2  the network has a variable to train.
 * P3  clip is above 0, average from 0 to 1, accumulate whole and at least 1, rates are finite and at least 0.
 * P4  each name in rates is that of a parameter, or of a module with parameters.
 * P5  the network has no inputs or outputs with the names that the step adds.
 * P6  the loss is a scalar.
 */
export function trainingStep<
  In extends string,
  Out extends string,
  Names extends string,
  const Options extends TrainingStepOptions,
>(
  source: Graph<In, Out, Names>,
  options: Options & TrainingStepOptions,
): Graph<In | StepInput<Options>, Out | "loss", Names> {
  const { optimizer, clip, average, accumulate = 1 } = options;
  checkOptions(options);
  const learningRate = input("learningRate", []);
  const apply = accumulate > 1 || options.accumulate !== undefined ? input("apply", []) : undefined;
  const { withLoss, parameters } = lossOf(source, options, { learningRate, ...(apply && { apply }) });
  const names = parameters.map(({ name }) => name);
  const differentiated = differentiate(withLoss, { of: "loss", by: names });
  const gradients = parameters.map((parameter) => {
    return { parameter, gradient: differentiated.outputs[`${parameter.name}.gradient`]! };
  });
  const rest = apply && named("unapplied", affine({ x: apply }, { factor: -1, offset: 1 }));
  const sums = rest ? gradients.map((each) => accumulated(each, rest)) : [];
  const summed = rest ? sums : gradients;
  const trained = trainedOf(source, summed, options.rates ?? {});
  const factor = factorOf(summed, clip, accumulate);
  const steps = optimizer({ trained, learningRate, ...(factor && { factor }) });
  const ofModel = new Set([...parameters, ...source.updates.map(({ variable }) => variable)]);
  const averages = average === undefined ? [] : averagesOf([...steps, ...source.updates], ofModel, average);
  const gated = [...steps, ...averages].map((update) => (apply ? whenApplied(update, apply) : update));
  const made = graph({
    ...differentiated,
    name: source.name,
    outputs: withLoss.outputs,
    updates: [...differentiated.updates, ...sums.map(({ update }) => update), ...gated],
  });
  return made as unknown as Graph<In | StepInput<Options>, Out | "loss", Names>;
}

function checkOptions({ clip, average, accumulate, rates = {} }: TrainingStepOptions): void {
  const isLimit = clip === undefined || (clip > 0 && clip < Infinity);
  check(isLimit, "trainingStep.P3", `clip is ${clip}, expected a finite number above 0`);
  const isShare = average === undefined || (average >= 0 && average <= 1);
  check(isShare, "trainingStep.P3", `average is ${average}, expected a number from 0 to 1`);
  const isCount = accumulate === undefined || (Number.isSafeInteger(accumulate) && accumulate >= 1);
  check(isCount, "trainingStep.P3", `accumulate is ${accumulate}, expected a whole number of at least 1`);
  for (const [name, rate] of Object.entries(rates)) {
    const isRate = rate >= 0 && rate < Infinity;
    check(isRate, "trainingStep.P3", `the rate of ${name} is ${rate}, expected a finite number of at least 0`);
  }
}

/** The network with its loss, and the variables to train. */
function lossOf(
  source: Graph,
  { loss, output = "logits" }: TrainingStepOptions,
  added: Graph["inputs"],
): { readonly withLoss: Graph; readonly parameters: readonly Variable[] } {
  const prediction = source.outputs[output];
  const found = () => `${source.name} has no output ${output}; it has ${shortList(Object.keys(source.outputs))}`;
  check(prediction !== undefined, "trainingStep.P1", found);
  const target = input("target", prediction.shape);
  const inputs = { ...source.inputs, target, ...added };
  const isNew = Object.keys(source.inputs).length + 1 + Object.keys(added).length === Object.keys(inputs).length;
  const taken = shortList(["target", ...Object.keys(added)]);
  check(isNew && !("loss" in source.outputs), "trainingStep.P5", `${source.name} has loss, ${taken} already`);
  const computed = typeof loss === "function" ? loss(prediction, target) : losses[loss](prediction, target);
  const expected = () => `the loss is ${formatShape(computed.shape)}, expected a scalar`;
  check(computed.shape.length === 0, "trainingStep.P6", expected);
  const withLoss = graph({ ...source, inputs, outputs: { loss: named("loss", computed), ...source.outputs } });
  const updated = new Set(source.updates.map(({ variable }) => variable));
  const read = graph({ ...withLoss, outputs: { loss: withLoss.outputs.loss }, updates: [] });
  const parameters = variablesOf(read).filter((each) => !updated.has(each));
  const wayOut = "make its parameters variables with trainable";
  check(parameters.length > 0, "trainingStep.P2", `${source.name} has no variables to train; ${wayOut}`);
  return { withLoss, parameters };
}

interface Gradient {
  readonly parameter: Variable;
  readonly gradient: Value;
}

/** The gradient added to those of the batches before. The sum starts anew where `rest`, which is 1 − apply, is 0. */
function accumulated({ parameter, gradient }: Gradient, rest: Value): Gradient & { readonly update: Update } {
  const before = variable(`${parameter.name}.gradient_sum`, zeros(parameter.shape));
  const sum = named(`${parameter.name}.gradient_total`, add({ a: before, b: gradient }));
  return { parameter, gradient: sum, update: updateOf(before, times({ a: sum, b: rest })) };
}

/** What the optimizer needs to know of each parameter. */
function trainedOf(
  source: Graph,
  gradients: readonly Gradient[],
  rates: { readonly [module: string]: number },
): readonly Trained[] {
  const weights = new Set(
    nodesOf(source).flatMap((node) => {
      const roles = rolesOf(node);
      return Object.entries(node.inputs).flatMap(([name, value]) => (roles[name] === "weight" ? [value] : []));
    }),
  );
  const isIn = (name: string, module: string) => name === module || name.startsWith(`${module}.`);
  const modules = Object.keys(rates).toSorted((a, b) => b.length - a.length);
  for (const module of modules) {
    const names = gradients.map(({ parameter }) => parameter.name);
    if (names.some((name) => isIn(name, module))) continue;
    const nearest = shortList(nearestFirst(module, names).slice(0, 8));
    throw new ShapeError("trainingStep.P4", `${source.name} trains no parameters ${module}; nearest are ${nearest}`);
  }
  return gradients.map(({ parameter, gradient }) => {
    const module = modules.find((each) => isIn(parameter.name, each));
    return { parameter, gradient, isWeight: weights.has(parameter), rate: module === undefined ? 1 : rates[module]! };
  });
}

/** The scalar by which all gradients are multiplied: for their mean over batches, and for the limit of their norm. */
function factorOf(gradients: readonly Gradient[], clip: number | undefined, batches: number): Value | undefined {
  const share = 1 / batches;
  if (clip === undefined)
    return batches === 1 ? undefined : constant("gradient.share", tensorOf("float64", [], Float64Array.of(share)));
  let squares: AnyNode | undefined;
  for (const { parameter, gradient } of gradients)
    squares = named(`${parameter.name}.gradient.squares`, sumOfSquares({ x: gradient, total: squares }));
  if (batches === 1) return named("gradient.factor", clipFactor({ squares: squares! }, { limit: clip }));
  // the norm of the mean is that of the sum divided by the number of batches
  const factor = named("gradient.clip", clipFactor({ squares: squares! }, { limit: clip * batches }));
  return named("gradient.factor", affine({ x: factor }, { factor: share }));
}

/** Moving averages of the network's variables: parameters and running statistics. */
function averagesOf(updates: readonly Update[], ofModel: ReadonlySet<Variable>, keep: number): readonly Update[] {
  return updates
    .filter(({ variable }) => ofModel.has(variable))
    .map(({ variable: own, value }) => {
      const before = variable(`${own.name}.ema`, own.source);
      return updateOf(before, movingAverage({ average: before, value }, { keep }));
    });
}

/** The update where `apply` is 1; the variable as it is where `apply` is 0. */
function whenApplied({ variable, value }: Update, apply: Value): Update {
  const chosen = choose({ before: variable, after: value, condition: apply });
  return { variable, value: named(`${variable.name}.applied`, chosen) };
}
