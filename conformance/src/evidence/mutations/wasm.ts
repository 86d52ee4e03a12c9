import type { ConvolutionLayer } from "../../../../packages/wasm/src/convolution/layer.ts";
import type { Kernel } from "../../../../packages/wasm/src/kernels/kernel.ts";
import type { Windows } from "../../../../packages/wasm/src/kernels/pools.ts";
import type { ImageLayout } from "../../../../packages/wasm/src/layout.ts";
import type { Load, Plan, Step } from "../../../../packages/wasm/src/plan.ts";

/** Where a bug can be planted in the generated kernels and in the plan that calls them. */
export interface WasmBugs {
  /** Replaces the layer that a convolution's kernel is made for. Calls keep the original layer. */
  readonly layer?: (layer: ConvolutionLayer) => ConvolutionLayer;
  /** The strategies that have the bug, by name. Default: all. */
  readonly strategies?: RegExp;
  /** Changes a convolution's kernel after it is made. */
  readonly kernel?: (kernel: Kernel) => Kernel;
  /** Replaces the layouts and windows that a pool's kernel is made for. */
  readonly pool?: (x: ImageLayout, y: ImageLayout, windows: Windows) => readonly [ImageLayout, ImageLayout, Windows];
  /** Replaces the layouts that a conversion's kernel is made for. */
  readonly convert?: (x: ImageLayout, y: ImageLayout) => readonly [ImageLayout, ImageLayout];
  /** Changes the plan before it is carried out. */
  readonly plan?: (plan: Plan) => Plan;
}

export type WasmSection = "by hand" | "random shapes" | "layers of the family";

export interface WasmMutation {
  readonly bug: string;
  readonly bugs: WasmBugs;
  /** The section of level ops, quick, that has to catch it. */
  readonly caught: WasmSection;
}

const isConvolution = ({ kernel }: Step) => kernel.operands.includes("weight");

/** Drops the last task of a kernel's last phase. */
function withoutLastTask(kernel: Kernel): Kernel {
  const phases: Kernel["phases"] = (images) => {
    const all = kernel.phases(images);
    const last = all.at(-1)!;
    return [...all.slice(0, -1), { ...last, tasks: Math.max(1, last.tasks - 1) }];
  };
  return { ...kernel, phases };
}

const steps = (change: (step: Step) => readonly Step[]) => (plan: Plan) => ({
  ...plan,
  steps: plan.steps.flatMap(change),
});

const fours = (channels: number) => Math.max(4 * Math.floor(channels / 4), 1);

/** Bugs of tails, tiles, borders and memory that generated kernels have had, or are likely to have. */
export const wasmMutations: readonly WasmMutation[] = [
  {
    bug: "the last row of tiles is left out",
    bugs: { layer: (layer) => ({ ...layer, y: shortened(layer.y, "height") }), strategies: /direct/ },
    caught: "random shapes",
  },
  {
    bug: "the last column of a row of tiles is left out",
    bugs: { layer: (layer) => ({ ...layer, y: shortened(layer.y, "width") }), strategies: /direct/ },
    caught: "random shapes",
  },
  {
    bug: "Winograd's tiles that stick out at the bottom are left out",
    bugs: { layer: (layer) => ({ ...layer, y: cutToTiles(layer.y, "height") }), strategies: /winograd/ },
    caught: "layers of the family",
  },
  {
    bug: "Winograd's tiles that stick out at the right are left out",
    bugs: { layer: (layer) => ({ ...layer, y: cutToTiles(layer.y, "width") }), strategies: /winograd/ },
    caught: "layers of the family",
  },
  {
    bug: "a border is not cleared",
    bugs: { plan: steps((step) => (step.kernel.name.startsWith("border") ? [] : [step])) },
    caught: "random shapes",
  },
  {
    bug: "the last panel of weights is not packed",
    bugs: { plan: (plan) => ({ ...plan, loads: plan.loads.map(withoutLastPanel) }) },
    caught: "layers of the family",
  },
  {
    bug: "the last task of a convolution is left out",
    bugs: { kernel: withoutLastTask },
    caught: "layers of the family",
  },
  {
    bug: "rows of the residual are a pixel apart from where they lie",
    bugs: {
      layer: ({ residual, ...layer }) => ({ ...layer, ...(residual && { residual: wider(residual) }) }),
    },
    caught: "random shapes",
  },
  {
    bug: "rows of the image are a pixel apart from where they lie",
    bugs: { layer: (layer) => ({ ...layer, x: wider(layer.x) }) },
    caught: "random shapes",
  },
  {
    bug: "a stride is taken for the other axis's",
    bugs: {
      layer: (layer) => {
        const { attributes } = layer;
        const [down, right] = attributes.stride;
        return { ...layer, attributes: { ...attributes, stride: [right, down] } };
      },
    },
    caught: "random shapes",
  },
  {
    bug: "every group reads the first group's channels",
    bugs: {
      layer: (layer) => ({ ...layer, attributes: { ...layer.attributes, groups: 1 } }),
      strategies: /direct/,
    },
    caught: "layers of the family",
  },
  {
    bug: "images of a batch behind the first are not computed",
    bugs: { plan: steps((step) => [isConvolution(step) ? { ...step, images: 1 } : step]) },
    caught: "random shapes",
  },
  {
    bug: "ReLU where none is asked for, and none where it is",
    bugs: {
      layer: (layer) => ({ ...layer, attributes: { ...layer.attributes, relu: !layer.attributes.relu } }),
    },
    caught: "by hand",
  },
  {
    bug: "a pool's first window begins inside of the image",
    bugs: { pool: (x, y, windows) => [x, y, { ...windows, before: [0, 0] }] },
    caught: "by hand",
  },
  {
    bug: "a pool's padding is read as zeros: its border is taken for pixels",
    bugs: {
      pool: (x, y, windows) => [{ ...x, height: x.height + windows.before[0] }, y, windows],
    },
    caught: "random shapes",
  },
  {
    bug: "a pool's windows are short of a column",
    bugs: {
      pool: (x, y, windows) => [x, y, { ...windows, window: [windows.window[0], Math.max(1, windows.window[1] - 1)] }],
    },
    caught: "by hand",
  },
  {
    bug: "a conversion leaves out channels that are no whole four",
    bugs: {
      convert: (x, y) => [
        { ...x, channels: fours(x.channels) },
        { ...y, channels: fours(y.channels) },
      ],
    },
    caught: "random shapes",
  },
  {
    bug: "a conversion leaves out the last row",
    bugs: { convert: (x, y) => [x, shortened(y, "height")] },
    caught: "random shapes",
  },
  {
    bug: "values are given half of the memory that they take",
    bugs: {
      plan: (plan) => ({
        ...plan,
        places: plan.places.map((place) => (place.life === "run" ? { ...place, bytes: place.bytes / 2 } : place)),
      }),
    },
    caught: "random shapes",
  },
];

function shortened(layout: ImageLayout, axis: "height" | "width"): ImageLayout {
  const [top, left, bottom, right] = layout.border;
  if (layout[axis] < 2) return layout;
  return axis === "height"
    ? { ...layout, height: layout.height - 1, border: [top, left, bottom + 1, right] }
    : { ...layout, width: layout.width - 1, border: [top, left, bottom, right + 1] };
}

/** Cuts an axis to whole tiles of four pixels. The remaining pixels count as border. */
function cutToTiles(layout: ImageLayout, axis: "height" | "width"): ImageLayout {
  let cut = layout;
  while (cut[axis] % 4 !== 0 && cut[axis] > 4) cut = shortened(cut, axis);
  return cut;
}

function wider(layout: ImageLayout): ImageLayout {
  const [top, left, bottom, right] = layout.border;
  return layout.height > 1 ? { ...layout, border: [top, left, bottom, right + 1] } : layout;
}

/** Reads and packs all outputs except the last panel's. */
function withoutLastPanel(load: Load): Load {
  const { constant, block } = load;
  const [rows = 1, ...row] = constant.source.shape;
  if (block === undefined || rows <= block) return load;
  const shape = [block * (Math.ceil(rows / block) - 1), ...row];
  return { ...load, constant: { ...constant, source: { ...constant.source, shape } } };
}
