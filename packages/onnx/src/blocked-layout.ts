import type { AnyNode } from "@residual/core";
import type { ModelBuilder } from "./model-builder.ts";

/** onnxruntime's operators on blocked images. */
export const BLOCKED_DOMAIN = "com.microsoft.nchwc";

/**
 * Which values are in onnxruntime's blocked layout, [N, C / block, H, W, block], which its fastest convolutions read
 * and write. A value goes by its plain name, also while it exists only in blocks. It is converted once, where a row
 * needs the other layout.
 */
export class BlockedLayout {
  readonly block: number;
  readonly #model: ModelBuilder;
  /** The names of blocked values, by their plain names. */
  readonly #blocked = new Map<string, string>();
  /** The channels of the values that exist only in blocks. */
  readonly #channels = new Map<string, number>();
  readonly #native = new Set<string>();

  constructor(model: ModelBuilder, block: number) {
    this.#model = model;
    this.block = block;
  }

  /** Whether images of this shape can be in blocks. */
  fits(shape: AnyNode["shape"]): boolean {
    return shape.length === 4 && shape[0] !== "N" && (shape[1] as number) % this.block === 0;
  }

  /** Whether a value was computed in blocks. */
  isNative(name: string): boolean {
    return this.#native.has(name);
  }

  /** A value in the plain layout. */
  plain(name: string): string {
    const channels = this.#channels.get(name);
    if (channels === undefined) return name;
    this.#channels.delete(name);
    const attributes = { channels: { int: channels } };
    return this.#model.add("ReorderOutput", name, [this.#blocked.get(name)!], attributes, BLOCKED_DOMAIN);
  }

  /** A value in blocks. If it is converted, the result is an intermediate value of `reader`. */
  blocked(name: string, reader: AnyNode): string {
    const known = this.#blocked.get(name);
    if (known !== undefined) return known;
    const made = this.#model.step("ReorderInput", reader, "blocks", [name], {}, BLOCKED_DOMAIN);
    this.#blocked.set(name, made);
    return made;
  }

  /** A value that was computed in blocks, as [N, H, W, C]. */
  interleaved(name: string, reader: AnyNode, channels: number): string {
    const attributes = { channels: { int: channels }, channels_last: { int: 1 } };
    return this.#model.step(
      "ReorderOutput",
      reader,
      "interleaved",
      [this.#blocked.get(name)!],
      attributes,
      BLOCKED_DOMAIN,
    );
  }

  /** Registers a node that `add` computes in blocks. Answers its plain name. */
  declare(node: AnyNode, add: (output: string) => string): string {
    const name = this.#model.nameFor(node);
    this.#blocked.set(name, add(this.#model.nameFor(node, "in blocks")));
    this.#channels.set(name, node.shape[1] as number);
    this.#native.add(name);
    return name;
  }
}
