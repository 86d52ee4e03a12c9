import type { AnyNode, AttributesOf, Lowering } from "@residual/core";
import type { Operand } from "../builder.ts";
import { type V128, v128 } from "../encode/expression.ts";
import type { Elementwise } from "../kernels/elementwise.ts";
import type { Context } from "./context.ts";
import { elementwise, summed } from "./elementwise.ts";

const scaled = (x: V128, factor: number): V128 => (factor === 1 ? x : v128.mul(x, v128.const(factor)));

/** keep · average + share · v, with v = factor · value + decay · parameter, or its square. */
function movingAverage(
  { keep, share, decay, squared }: AttributesOf<"movingAverage">,
  has: { readonly parameter: boolean; readonly factor: boolean },
): Elementwise {
  const form = `${has.parameter ? "decayed " : ""}${has.factor ? "scaled " : ""}${squared ? "squared " : ""}`;
  return {
    name: `movingAverage ${form}${keep} ${share} ${decay}`,
    make(body, [average, value, ...others]) {
      const factor = has.factor ? others.at(-1) : undefined;
      const whole = factor ? v128.mul(value!, factor) : value!;
      const decayed = has.parameter ? v128.add(whole, scaled(others[0]!, decay)) : whole;
      const v = body.let(decayed);
      return v128.add(scaled(average!, keep), scaled(squared ? v128.mul(v, v) : v, share));
    },
  };
}

/** parameter − rate · learningRate · (direction + decay · parameter) */
function descend({ rate, decay }: AttributesOf<"descend">): Elementwise {
  return {
    name: `descend ${rate} ${decay}`,
    make(body, [parameter, direction, learningRate]) {
      const before = body.let(parameter!);
      const decayed = decay === 0 ? direction! : v128.add(direction!, scaled(before, decay));
      return v128.sub(before, v128.mul(decayed, scaled(learningRate!, rate)));
    },
  };
}

/** parameter − rate · learningRate · (mean / meanWeight / (√(square / squareWeight) + epsilon) + decay · parameter) */
function adamStep({ epsilon, rate, decay }: AttributesOf<"adamStep">): Elementwise {
  return {
    name: `adamStep ${epsilon} ${rate} ${decay}`,
    make(body, [parameter, mean, square, meanWeight, squareWeight, learningRate]) {
      const before = body.let(parameter!);
      const root = v128.add(v128.sqrt(v128.div(square!, squareWeight!)), v128.const(epsilon));
      const direction = v128.div(v128.div(mean!, meanWeight!), root);
      const decayed = decay === 0 ? direction : v128.add(direction, scaled(before, decay));
      return v128.sub(before, v128.mul(decayed, scaled(learningRate!, rate)));
    },
  };
}

/** `after` where the condition is not 0, else `before`. */
const choose: Elementwise = {
  name: "choose",
  make(body, [before, after, condition]) {
    const isBefore = body.let(v128.eq(condition!, v128.const(0)));
    return v128.or(v128.and(before!, isBefore), v128.andNot(after!, isBefore));
  },
};

const square: Elementwise = {
  name: "squares",
  make(body, [x]) {
    const value = body.let(x!);
    return v128.mul(value, value);
  },
};

type Rows = Pick<Lowering<Operand>, "movingAverage" | "descend" | "adamStep" | "choose" | "sumOfSquares">;

/** The rows of composites that update a tensor: each is one pass over its numbers. */
export function optimizerRows(context: Context): Rows {
  return {
    movingAverage(node, { average, value, parameter, factor }) {
      const has = { parameter: parameter !== undefined, factor: factor !== undefined };
      const inputs = [average, value, ...(parameter ? [parameter] : [])];
      return elementwise(context, node, movingAverage(node.attributes, has), inputs, factor ? [factor] : []);
    },
    descend: (node, { parameter, direction, learningRate }) =>
      elementwise(context, node, descend(node.attributes), [parameter, direction], [learningRate]),
    adamStep: (node, { parameter, mean, square: squares, ...scalars }) => {
      const { meanWeight, squareWeight, learningRate } = scalars;
      const inputs = [parameter, mean, squares];
      return elementwise(context, node, adamStep(node.attributes), inputs, [meanWeight, squareWeight, learningRate]);
    },
    choose: (node, { before, after, condition }) => elementwise(context, node, choose, [before, after], [condition]),
    sumOfSquares: (node: AnyNode, { x, total }) => summed(context, node, square, x, total),
  };
}
