import { type I32, i32, type Local } from "../encode/expression.ts";
import type { Body, Instructions } from "../encode/function.ts";
import type { ModuleBuilder } from "../encode/module.ts";
import type { Kernel } from "../kernels/kernel.ts";
import { loadPixel, overPixels, planeOf, planeTask, storePixel } from "../kernels/planes.ts";
import {
  type ImageLayout,
  imageBytes,
  inOrder,
  originOf,
  pixelBytes,
  planeBytes,
  quadsOf,
  rowBytes,
} from "../layout.ts";
import { type Cover, coverOf } from "./direct/cover.ts";
import { costOf, type Design } from "./direct/design.ts";
import { type Cursor, move, newCursor, place, Tiles } from "./direct/tiles.ts";
import {
  type ConvolutionLayer,
  formatLayer,
  groupOf,
  type LayerValues,
  layerPhase,
  macsOf,
  operandsOf,
} from "./layer.ts";
import { type Panels, panelBytes, panelCount, panelPacking } from "./panels.ts";
import type { Strategy } from "./strategy.ts";

/**
 * Direct convolution in register tiles: loops over parts of the rows, panels of outputs and tiles. The padding of x is
 * in its border. Supports groups whose input and output channels are multiples of 4, and single groups of any size.
 */
export function direct(layer: ConvolutionLayer, instructions: Instructions): readonly Strategy[] {
  const { groups } = layer.attributes;
  const { inputs, outputs } = groupOf(layer);
  if (groups > 1 && (inputs % 4 !== 0 || outputs % 4 !== 0)) return [];
  const orders = groups === 1 && inputs % 4 !== 0 ? (["pixels", "quads"] as const) : (["quads"] as const);
  return orders.map((order) => directIn(order, layer, instructions));
}

function directIn(order: Panels["order"], layer: ConvolutionLayer, instructions: Instructions): Strategy {
  const { groups, padding } = layer.attributes;
  const { inputs, outputs } = groupOf(layer);
  const isRow = layer.y.height * layer.y.width === 1 && groups === 1;
  const vectors = isRow && outputs > 8 ? 8 : outputs % 8 === 0 || (groups === 1 && outputs > 4) ? 2 : 1;
  const panels: Panels = {
    outputs: layer.y.channels,
    channels: inputs,
    taps: layer.kernel[0] * layer.kernel[1],
    width: 4 * vectors,
    order,
  };
  const isStridedPoint = panels.taps === 1 && layer.attributes.stride.some((step) => step > 1);
  const isGathered = isStridedPoint && order === "quads" && padding.every((pixels) => pixels === 0);
  const design: Design = { layer, instructions, panels, vectors };
  return {
    name: `direct ${vectors * 4} ${order}`,
    wants: { order, border: padding },
    cost: costOf(design),
    packing: panelPacking(panels),
    emit: (placed) => (isGathered ? gatheredKernel(design, placed) : kernelOf({ ...design, layer: placed })),
  };
}

function kernelOf(design: Design): Kernel {
  const { layer, panels } = design;
  const { blocks } = coverOf(design);
  return {
    name: `direct ${formatLayer(layer)}`,
    operands: operandsOf(layer),
    work: macsOf(layer),
    phases: () => [{ function: "run", tasks: blocks * panelCount(panels) }],
    define(module) {
      emitRun(module, design, "x");
    },
  };
}

/** The tasks of a kernel: a panel of outputs for a part of all images. `source` is the layout of x. */
function emitRun(module: ModuleBuilder, design: Design, source: "x" | "scratch"): void {
  const tiles = new Tiles(module, design);
  const cover = coverOf(design);
  const count = panelCount(design.panels);
  layerPhase(module, "run", design.layer, (body, values) => {
    body.range(values.first, values.end, (task) => {
      const block = body.let(i32.divU(task, i32.const(count)));
      const panel = body.let(i32.sub(task, i32.times(block, count)));
      const given = { ...values, x: values[source] };
      emitTask(body, design, { tiles, cover, block, panel, values: given });
    });
  });
}

interface Task {
  readonly tiles: Tiles;
  readonly cover: Cover;
  readonly block: Local<"i32">;
  readonly panel: Local<"i32">;
  readonly values: LayerValues;
}

function emitTask(body: Body, design: Design, { tiles, cover, block, panel, values }: Task): void {
  const { layer, panels, vectors } = design;
  const { x, y, residual } = layer;
  const weight = body.let(i32.add(values.weight, i32.times(panel, panelBytes(panels))));
  const bias = values.bias ? body.let(i32.add(values.bias, i32.times(panel, 16 * vectors))) : i32.const(0);
  const image = firstPixels(body, design, panel, values);
  const cursor = newCursor(body);
  const part = (width: number) => {
    const call = (tile: Parameters<Body["call"]>[0], at: Cursor, repeats: I32) =>
      body.call(tile, { ...at, weight, bias, count: repeats });
    cover.emit(body, { block, tiles, vectors: width, cursor, call });
  };
  const left = quadsOf(y) % vectors; // of the last panel
  const isLast = i32.eq(panel, i32.const(panelCount(panels) - 1));
  body.times(values.images, () => {
    place(body, cursor, image);
    if (left === 0) part(vectors);
    else
      body.if(
        isLast,
        () => part(left),
        () => part(vectors),
      );
    move(body, image, { x: imageBytes(x), y: imageBytes(y), residual: residual ? imageBytes(residual) : 0 });
  });
}

/** Addresses of a panel's first output: of its first tap in x, of the output in y, and of the residual. */
function firstPixels(body: Body, { layer, panels, vectors }: Design, panel: I32, values: LayerValues): Cursor {
  const { x, y, residual, attributes } = layer;
  const [top, left] = attributes.padding;
  const perGroup = panelCount(panels) / attributes.groups;
  const group = i32.times(i32.divU(panel, i32.const(perGroup)), (panels.channels / 4) * planeBytes(x));
  const planes = attributes.groups > 1 ? i32.add(values.x, group) : values.x;
  const own = (layout: ImageLayout, pointer: I32) =>
    i32.plus(i32.add(pointer, i32.times(panel, vectors * planeBytes(layout))), originOf(layout));
  return {
    x: body.let(i32.plus(planes, originOf(x) - top * rowBytes(x) - left * pixelBytes(x))),
    y: body.let(own(y, values.y)),
    residual: body.let(residual && values.residual ? own(residual, values.residual) : i32.const(0)),
  };
}

/**
 * A strided 1 × 1 convolution: the pixels it reads are first copied next to each other, so that tiles read them as a
 * row.
 */
function gatheredKernel(design: Design, layer: ConvolutionLayer): Kernel {
  const { x, y, attributes } = layer;
  const { stride } = attributes;
  const seen: ImageLayout = { ...inOrder(x, "quads"), height: y.height, width: y.width };
  const dense: ConvolutionLayer = { ...layer, x: seen, attributes: { ...attributes, stride: [1, 1] } };
  const kernel = kernelOf({ ...design, layer: dense });
  return {
    ...kernel,
    name: `isGathered ${formatLayer(layer)}`,
    scratch: (images) => images * imageBytes(seen),
    phases: (images) => [{ function: "gather", tasks: images * quadsOf(x) }, ...kernel.phases(images)],
    define(module) {
      layerPhase(module, "gather", layer, (body, { x: from, scratch, first, end }) =>
        body.range(first, end, (task) => {
          const at = planeTask(body, task, quadsOf(x));
          const planes = [
            { at: planeOf(from, x, at), layout: x, stride },
            { at: planeOf(scratch, seen, at), layout: seen },
          ];
          overPixels(body, [y.height, y.width], planes, ([pixel, to]) => storePixel(body, to!, loadPixel(pixel!)));
        }),
      );
      emitRun(module, { ...design, layer: dense }, "scratch");
    },
  };
}
