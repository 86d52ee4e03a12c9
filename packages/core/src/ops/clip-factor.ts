import { type CompositeOp, defineComposite } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { tensorOf } from "../ir/tensor.ts";
import { constant, formatShape } from "../ir/value.ts";
import { affine } from "./affine.ts";
import { divide } from "./divide.ts";
import { relu } from "./relu.ts";
import { sqrt } from "./sqrt.ts";

export interface ClipFactorOptions {
  /** The largest norm. */
  readonly limit: number;
}

export type ClipFactorAttributes = { readonly limit: number };

/**
 * The factor that brings a vector to at most the norm `limit`: min(1, limit / (√squares + 1e-6)).
 *
 *   squares scalar (the square of the norm)  ->  scalar
 * C1  squares is a scalar.
 * C2  limit is finite and above 0.
 * Composite: limit / max(norm + 1e-6, limit), where max(a, b) = relu(a − b) + b. Source: PyTorch clip_grad_norm_.
 */
export const clipFactor: CompositeOp<"clipFactor", "squares", never, ClipFactorOptions, ClipFactorAttributes> =
  defineComposite({
    name: "clipFactor",
    inputs: { squares: "data" },
    attributeKinds: { limit: "number" },
    attributes: ({ limit }: ClipFactorOptions): ClipFactorAttributes => ({ limit }),
    check({ squares }, { limit }) {
      check(squares.length === 0, "clipFactor.C1", () => `squares is ${formatShape(squares)}, expected a scalar`);
      check(limit > 0 && limit < Infinity, "clipFactor.C2", `limit is ${limit}`);
    },
    decompose({ squares }, { limit }) {
      const above = relu({ x: affine({ x: sqrt({ x: squares }) }, { offset: 1e-6 - limit }) });
      const most = constant("limit", tensorOf("float64", [], Float64Array.of(limit)));
      return divide({ a: most, b: affine({ x: above }, { offset: limit }) });
    },
  });
