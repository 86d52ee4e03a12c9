import type { AnyNode } from "@residual/core";
import { type Convolution, convolution } from "./lower-convolution.ts";
import type { ModelBuilder, OnnxAttributes } from "./model-builder.ts";

/** Adds the operators of one node. `purpose` names an intermediate value; the last operator has the node's name. */
export class NodeBuilder {
  readonly #model: ModelBuilder;
  readonly #node: AnyNode;

  constructor(model: ModelBuilder, node: AnyNode) {
    this.#model = model;
    this.#node = node;
  }

  step(
    operator: string,
    purpose: string,
    inputs: readonly string[],
    attributes: OnnxAttributes = {},
    domain?: string,
  ): string {
    return this.#model.step(operator, this.#node, purpose, inputs, attributes, domain);
  }

  emit(operator: string, inputs: readonly string[], attributes: OnnxAttributes = {}): string {
    return this.#model.emit(operator, this.#node, inputs, attributes);
  }

  /** A convolution, as an intermediate value where `purpose` names it. */
  convolve(of: Convolution, names: { readonly x: string; readonly weight: string }, purpose?: string): string {
    return this.#model.chain(this.#node, convolution(this.#model, this.#node, of, names), purpose);
  }

  whole(purpose: string, list: readonly number[]): string {
    return this.#model.whole(this.#node, purpose, list);
  }

  number(purpose: string, value: number): string {
    return this.#model.number(this.#node, purpose, value);
  }

  reshape(purpose: string, value: string, shape: readonly number[]): string {
    return this.step("Reshape", purpose, [value, this.whole(`${purpose}/shape`, shape)]);
  }

  transpose(purpose: string, value: string, order: readonly number[]): string {
    return this.step("Transpose", purpose, [value], { perm: { ints: order } });
  }

  /** The elements from `starts` to before `ends`, every `steps`-th; one number for each of `axes`. */
  slice(
    purpose: string,
    value: string,
    range: {
      readonly axes: readonly number[];
      readonly starts: readonly number[];
      readonly ends: readonly number[];
      readonly steps?: readonly number[];
    },
  ): string {
    const { starts, ends, axes, steps } = range;
    const lists = Object.entries({ starts, ends, axes, ...(steps && { steps }) });
    return this.step("Slice", purpose, [value, ...lists.map(([key, list]) => this.whole(`${purpose}/${key}`, list))]);
  }
}
