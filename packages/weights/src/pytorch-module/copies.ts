import { identity, type Layer } from "./layers.ts";
import type { Copy, Unit } from "./units.ts";

/** The largest stride of a block's layers. */
export function strideOf({ main, shortcut }: Copy): number {
  const strides = [...main, ...shortcut.units].flatMap((unit) => {
    if (unit.kind === "call") return typeof unit.attributes.stride === "object" ? unit.attributes.stride : [];
    const layers = unit.kind === "module" ? [unit.layer] : unit.items;
    return layers.flatMap(({ fields }) => (typeof fields.stride === "number" ? [fields.stride] : []));
  });
  return Math.max(1, ...strides);
}

/**
 * Copies whose shortcuts pool where others do nothing: a pool with a window of one pixel does nothing, too, and then
 * all of them are of one kind.
 */
export function withAlikePools(copies: readonly Copy[]): readonly Copy[] {
  const poolAt = (at: number, item: number) =>
    copies.flatMap(({ shortcut: { units } }) => {
      const unit = units[at];
      const layer = unit?.kind === "sequence" ? unit.items[item] : undefined;
      return layer?.type === "nn.AvgPool2d" ? [layer] : [];
    })[0];
  return copies.map((copy) => ({
    ...copy,
    shortcut: {
      ...copy.shortcut,
      units: copy.shortcut.units.map((unit, at): Unit => {
        if (unit.kind !== "sequence") return unit;
        const items = unit.items.map((item, index) => {
          const pool = item === identity ? poolAt(at, index) : undefined;
          return pool ? { ...pool, fields: { ...pool.fields, kernel: 1, stride: 1 } } : item;
        });
        return { ...unit, items };
      }),
    },
  }));
}

function convolutionsOf({ main }: Copy): readonly Layer[] {
  const layers = main.flatMap((unit) => (unit.kind === "module" ? [unit.layer] : []));
  return layers.filter(({ type }) => type.includes("Conv2d"));
}

function isGate({ main }: Copy): boolean {
  return main.length > 1 && main.some((unit) => unit.kind === "call" && unit.op === "multiply");
}

function isPreActivated({ main: [first] }: Copy): boolean {
  return first?.kind === "module" && first.layer.type === "nn.BatchNorm2d";
}

/** The usual name of a block in papers and libraries. */
export function classNameOf(copy: Copy): string {
  const { main, sum, path } = copy;
  if (sum === undefined) {
    const words = path.split(".").at(-1)!.split("_");
    return isGate(copy) ? "SqueezeExcite" : words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  }
  const kind = ["", "", "BasicBlock", "Bottleneck"][convolutionsOf(copy).length] || "Block";
  const isGated = main.some((unit) => unit.kind === "module" && unit.layer.type === "SqueezeExcite");
  return `${isPreActivated(copy) ? "PreAct" : ""}${isGated ? "SE" : ""}${kind}`;
}

export function descriptionOf(copy: Copy): string {
  const kernels = convolutionsOf(copy).map(({ fields: { kernel } }) => `${kernel} x ${kernel}`);
  const list = kernels.length < 2 ? kernels.join() : `${kernels.slice(0, -1).join(", ")} and ${kernels.at(-1)}`;
  if (copy.sum === undefined)
    return isGate(copy)
      ? "Multiplies each channel by a gate, which is computed from the means of all."
      : `${list} convolutions.`;
  return `${list} convolutions${isPreActivated(copy) ? " with pre-activation" : ""}, beside a shortcut.`;
}
