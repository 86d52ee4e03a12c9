import type { AnyNode, Pads, Value } from "@residual/core";
import { type Builder, imagesOfShape, type Operand, sizesOf } from "../builder.ts";
import type { StrategyOptions } from "../convolution/strategies.ts";
import type { Kernel } from "../kernels/kernel.ts";
import { type ImageLayout, layoutOf, NO_BORDER } from "../layout.ts";
import type { Fusions } from "./fusions.ts";

type Operands = { readonly [input: string]: Operand | undefined };

/** What the rows of the table share while a graph is lowered. */
export class Context {
  readonly builder: Builder;
  readonly choice: StrategyOptions;
  readonly fusions: Fusions;
  readonly #borders: ReadonlyMap<Value, Pads>;
  /** The operands of nodes that a later node computes. */
  readonly #deferred = new Map<Value, Operands>();
  /** Vectors of sums that were computed along with others, by the value that is summed. */
  readonly shiftGradients: Map<Value, Operand> = new Map();

  constructor(builder: Builder, choice: StrategyOptions, fusions: Fusions, borders: ReadonlyMap<Value, Pads>) {
    [this.builder, this.choice, this.fusions, this.#borders] = [builder, choice, fusions, borders];
  }

  /** The layout of an operand in quads: its own, or one without a border. */
  quads(operand: Operand): ImageLayout {
    return operand.layout.order === "quads" ? operand.layout : layoutOf(sizesOf(operand.shape));
  }

  /** The layout of a node's value in quads, with the border that its readers need. */
  layoutOf(node: AnyNode): ImageLayout {
    return { ...layoutOf(sizesOf(node.shape)), border: this.#borders.get(node) ?? NO_BORDER };
  }

  /** Keeps the operands of a node that a later node computes. The result has no memory. */
  defer(node: AnyNode, operands: Operands): Operand {
    this.#deferred.set(node, operands);
    return { shape: node.shape, layout: this.layoutOf(node), images: imagesOfShape(node.shape), from: { place: -1 } };
  }

  deferred(node: AnyNode): Operands {
    return this.#deferred.get(node)!;
  }

  /** A step whose operands are in quads. */
  emit(
    node: AnyNode,
    inputs: readonly Operand[],
    make: (layouts: readonly ImageLayout[], y: ImageLayout) => Kernel,
  ): Operand {
    const layouts = inputs.map((each) => this.quads(each));
    const y = this.layoutOf(node);
    const reads = inputs.map((each, at) => this.builder.in(each, layouts[at]!));
    return this.builder.emit(node.name, node.shape, y, make(layouts, y), reads);
  }
}
