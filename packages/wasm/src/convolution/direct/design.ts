import type { Instructions } from "../../encode/function.ts";
import { imageBytes, pixelBytes, planeBytes, rowBytes } from "../../layout.ts";
import type { ConvolutionLayer } from "../layer.ts";
import { type Panels, panelBytes, panelCount } from "../panels.ts";
import type { TapNest } from "../tile.ts";
import { bandsOf, blockCount, type TileCosts, type Traffic, tileCosts } from "../tiling.ts";

/** How the sums of a layer are placed in registers, and the cost. */
export interface Design {
  readonly layer: ConvolutionLayer;
  readonly instructions: Instructions;
  readonly panels: Panels;
  /** Vectors of a panel. */
  readonly vectors: 1 | 2 | 8;
}

/** The sizes of register tiles, in pixels. */
export function costsOf({ layer, instructions, vectors }: Design): TileCosts {
  return tileCosts(instructions, sharesLoads(layer, vectors) ? "shared" : vectors);
}

/** Nanoseconds per image. */
export function costOf(design: Design): number {
  const { layer, panels } = design;
  const { y } = layer;
  const { cost } = bandsOf(y.height, y.width, costsOf(design));
  const arithmetic = panelCount(panels) * panels.channels * panels.taps * cost;
  const { time } = blockCount(y.height, trafficOf({ layer, panels }));
  return arithmetic + time / 3; // most of the traffic hides behind the arithmetic
}

export function trafficOf({ layer: { x, attributes }, panels }: Pick<Design, "layer" | "panels">): Traffic {
  return {
    weights: panelCount(panels) * panelBytes(panels),
    image: imageBytes({ ...x, order: "quads" }),
    panels: panelCount(panels) / attributes.groups,
  };
}

/**
 * With one vector of weights, as for groups of four channels, loads limit the speed. Adjacent pixels then share the
 * loads of a kernel of up to three columns, whose weights are all in registers.
 */
function sharesLoads({ kernel: [, columns], attributes }: ConvolutionLayer, vectors: Design["vectors"]): boolean {
  return vectors === 1 && columns >= 2 && columns <= 3 && attributes.groups > 1;
}

/**
 * The most taps that are unrolled; above, one row of taps is unrolled. A tap takes about 200 bytes of code, and
 * unrolling all 36 of a 3 × 3 is not faster than 12.
 */
const UNROLLED = 16;

/** The reads of x for a tile: parts of taps, in the order of the packed weights. */
export function partsOf({ layer, panels, vectors }: Design): readonly TapNest[] {
  const { x, kernel, attributes } = layer;
  const [kh, kw] = kernel;
  const down = attributes.dilation[0] * rowBytes(x);
  const right = attributes.dilation[1] * pixelBytes(x);
  const row = (lanes: number) =>
    Array.from({ length: kw * lanes }, (_, at) => Math.floor(at / lanes) * right + 4 * (at % lanes));
  const whole = (lanes: number) => Array.from({ length: kh }, (_, p) => row(lanes).map((tap) => p * down + tap)).flat();
  const rows = { count: kh, step: down };
  if (panels.order === "pixels") return [{ start: 0, loops: [rows], taps: row(panels.channels) }];
  const quads = Math.floor(panels.channels / 4);
  const plane = planeBytes(x);
  const isShared = sharesLoads(layer, vectors);
  const isUnrolled = !isShared && 4 * kh * kw <= UNROLLED;
  const parts: TapNest[] = [];
  if (kh * kw === 1 && quads % 2 === 0 && quads > 0) {
    const taps = [...whole(4), ...whole(4).map((tap) => plane + tap)];
    parts.push({ start: 0, loops: [{ count: quads / 2, step: 2 * plane }], taps });
  } else if (quads > 0) {
    const loops = [{ count: quads, step: plane }, ...(isUnrolled ? [] : [rows])];
    parts.push({ start: 0, loops, taps: isUnrolled ? whole(4) : row(4), ...(isShared && { columns: kw }) });
  }
  const left = panels.channels % 4;
  if (left > 0)
    parts.push({ start: quads * plane, loops: isUnrolled ? [] : [rows], taps: isUnrolled ? whole(left) : row(left) });
  return parts;
}
