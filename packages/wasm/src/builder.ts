import type { Constant, Shape } from "@residual/core";
import { border, convert } from "./kernels/convert.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { formatLayout, hasBorder, type ImageLayout, imageBytes, imagesOf, isDense, layoutOf } from "./layout.ts";
import type { Images, Load, Place, Step } from "./plan.ts";

/** A value and its layout. A constant gets memory only when a kernel reads it. */
export interface Operand {
  readonly shape: Shape;
  readonly layout: ImageLayout;
  readonly images: Images;
  readonly from: { readonly place: number } | { readonly constant: Constant };
}

/** Weights packed for a kernel. */
export interface Packed {
  readonly name: string;
  readonly bytes: number;
  /** Rows of the source that one task of the kernel packs. */
  readonly block: number;
  readonly kernel: Kernel;
}

/** Collects the parts of a plan. */
export class Builder {
  readonly places: Place[] = [];
  readonly loads: Load[] = [];
  readonly steps: Step[] = [];
  /** Values that are also stored in another layout, by their origin. */
  readonly #made = new Map<string, number>();
  readonly #constants = new Map<Constant, number>();

  place(bytes: number, images: Images, life: Place["life"]): number {
    return this.places.push({ bytes, images, life }) - 1;
  }

  /** An input or a variable, in the host's order. */
  given(shape: Shape, life: Place["life"]): Operand {
    const layout = layoutOf(sizesOf(shape), "host");
    const images = imagesOfShape(shape);
    return { shape, layout, images, from: { place: this.place(imageBytes(layout), images, life) } };
  }

  constant(constant: Constant): Operand {
    return {
      shape: constant.shape,
      layout: layoutOf(constant.shape, "host"),
      images: imagesOf(constant.shape),
      from: { constant },
    };
  }

  /**
   * A step that writes a value in a layout, with zeros in its border. `counted` is what the kernel counts as images, if
   * not the images of the value.
   */
  emit(
    node: string,
    shape: Shape,
    layout: ImageLayout,
    kernel: Kernel,
    reads: readonly number[],
    counted?: Images,
  ): Operand {
    const images = imagesOfShape(shape);
    const writes = this.place(imageBytes(layout), images, "run");
    this.#write({ node, kernel, images: counted ?? images, reads, writes }, layout);
    return { shape, layout, images, from: { place: writes } };
  }

  /** A step whose kernel writes several values of one layout, one after the other. The first is the result. */
  emitSeveral(
    node: string,
    { shape, layout }: Pick<Operand, "shape" | "layout">,
    count: number,
    step: Pick<Step, "kernel" | "reads" | "images">,
  ): Operand {
    const images = imagesOfShape(shape);
    const writes = this.place(count * imageBytes(layout), images, "run");
    this.steps.push({ node, ...step, writes });
    return { shape, layout, images, from: { place: writes } };
  }

  /** A step that writes a value in the host's order. */
  emitHost(node: string, shape: Shape, kernel: Kernel, reads: readonly number[], counted?: Images): Operand {
    return this.emit(node, shape, layoutOf(sizesOf(shape), "host"), kernel, reads, counted);
  }

  /** The place of an operand in the host's order. */
  inHostOrder(operand: Operand): number {
    return this.in(operand, layoutOf(sizesOf(operand.shape), "host"));
  }

  #write(step: Step, layout: ImageLayout): void {
    const { node, images, writes } = step;
    if (hasBorder(layout)) {
      this.steps.push({ node, kernel: border(layout), images, reads: [], writes });
      this.steps.push({ ...step, reads: [...step.reads] });
    } else this.steps.push(step);
  }

  /** The place of an operand in a layout. Operands in another layout are converted, once. */
  in(operand: Operand, layout: ImageLayout): number {
    const { from, images } = operand;
    const key = this.#keyOf(operand);
    const isSame =
      formatLayout(operand.layout) === formatLayout(layout) || (isDense(operand.layout) && isDense(layout));
    if (isSame) return "place" in from ? from.place : this.#load(from.constant, key, imageBytes(layout), images);
    return this.#once(`${key} ${formatLayout(layout)}`, () => {
      const kernel = convert(operand.layout, layout);
      const writes = this.place(imageBytes(layout), images, "constant" in from ? "model" : "run");
      if ("constant" in from)
        this.loads.push({ constant: from.constant, place: writes, images: closed(images), kernel });
      else this.#write({ node: "convert", kernel, images, reads: [from.place], writes }, layout);
      return writes;
    });
  }

  /** The place of the packed weights of a kernel: constants are packed once, other weights in each run. */
  packed(weights: Operand, packing: Packed | undefined): number {
    const host = layoutOf(sizesOf(weights.shape), "host");
    if (!packing) return this.in(weights, host);
    const { from } = weights;
    return this.#once(`${this.#keyOf(weights)} ${packing.name}`, () => {
      const { kernel, bytes, block } = packing;
      if ("constant" in from) {
        const place = this.place(bytes, 1, "model");
        this.loads.push({ constant: from.constant, place, images: 1, kernel, block });
        return place;
      }
      const writes = this.place(bytes, 1, "run");
      this.steps.push({ node: "pack", kernel, images: 1, reads: [this.in(weights, host)], writes });
      return writes;
    });
  }

  #keyOf({ from }: Operand): string {
    if ("place" in from) return `place ${from.place}`;
    const id = this.#constants.get(from.constant) ?? this.#constants.size;
    this.#constants.set(from.constant, id);
    return `constant ${id}`;
  }

  #load(constant: Constant, key: string, bytes: number, images: Images): number {
    return this.#once(`${key} as it is`, () => {
      const place = this.place(bytes, images, "model");
      this.loads.push({ constant, place, images: closed(images) });
      return place;
    });
  }

  #once(key: string, make: () => number): number {
    const place = this.#made.get(key) ?? make();
    this.#made.set(key, place);
    return place;
  }
}

/** The images of a constant, whose shape is closed. */
function closed(images: Images): number {
  return images === "N" ? 1 : images;
}

/** The shape of one image; an open batch counts as 1. */
export function sizesOf(shape: Shape): readonly number[] {
  return shape.map((size) => (size === "N" ? 1 : size));
}

export function imagesOfShape(shape: Shape): Images {
  return shape[0] === "N" ? "N" : imagesOf(sizesOf(shape));
}
