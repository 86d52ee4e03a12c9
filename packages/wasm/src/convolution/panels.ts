import { type I32, i32, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { type Kernel, plainKernel } from "../kernels/kernel.ts";
import type { Packing } from "./strategy.ts";

/** The packing of weights [O, C, KH, KW]: panels of outputs, whose weights are adjacent at each tap. */
export interface Panels {
  /** Outputs of all groups. */
  readonly outputs: number;
  /** Channels of a group, and taps of a channel. */
  readonly channels: number;
  readonly taps: number;
  /** Outputs of a panel, a multiple of 4. Missing outputs of the last panel are zeros. */
  readonly width: number;
  /** `quads`: [channels / 4][tap][4], and the last channels as [tap][channels % 4]; `pixels`: [tap][channels]. */
  readonly order: "quads" | "pixels";
}

/** Bytes of a panel. */
export function panelBytes({ channels, taps, width }: Pick<Panels, "channels" | "taps" | "width">): number {
  return 4 * channels * taps * width;
}

export function panelCount({ outputs, width }: Pick<Panels, "outputs" | "width">): number {
  return Math.ceil(outputs / width);
}

/** Four vectors are loaded for each one stored: about 5 ms for the 46 MB of ResNet-18. A task is a panel. */
export function panelPacking(panels: Panels): Packing {
  const { outputs, channels, taps, width, order } = panels;
  const name = `panels of ${width} in ${order}`;
  const kernel: Kernel = plainKernel({
    name: `pack ${name}: ${outputs}×${channels}×${taps}`,
    operands: ["weight", "packed"],
    tasks: () => panelCount(panels),
    work: outputs * channels * taps,
    task(body, task, { weight, packed }) {
      const row = 4 * channels * taps;
      const from = body.let(i32.add(weight, i32.times(task, width * row)));
      const to = body.let(i32.add(packed, i32.times(task, panelBytes(panels))));
      const last = outputs % width;
      const pack = (count: number) => packPanel(body, panels, { from, to, count });
      if (last === 0) pack(width);
      else
        body.if(
          i32.eq(task, i32.const(panelCount(panels) - 1)),
          () => pack(last),
          () => pack(width),
        );
    },
  });
  return { name, bytes: panelCount(panels) * panelBytes(panels), block: width, kernel };
}

interface PanelCopy {
  readonly from: I32;
  readonly to: I32;
  /** Existing outputs of the panel. */
  readonly count: number;
}

function packPanel(
  body: Body,
  { channels, taps, width, order }: Panels,
  { from: first, to: start, count }: PanelCopy,
): void {
  const from = body.let(first);
  const to = body.let(start);
  const row = 4 * channels * taps;
  const step = 4 * width; // bytes between numbers of x, in panel order
  const columns = (lanes: number) => {
    body.times(taps, () => {
      for (let vector = 0; vector < width / 4; vector++)
        body.store(to, column(from, { row, first: 4 * vector, count }), 16 * vector);
      body.advance(from, 4);
      body.advance(to, lanes * step);
    });
  };
  if (order === "pixels") {
    body.times(channels, () => {
      columns(channels);
      body.advance(to, step - taps * channels * step);
    });
    return;
  }
  const channelsOf = (lanes: number) =>
    body.times(lanes, () => {
      columns(lanes);
      body.advance(to, step - taps * lanes * step);
    });
  body.times(Math.floor(channels / 4), () => {
    channelsOf(4);
    body.advance(to, 4 * (taps - 1) * step);
  });
  channelsOf(channels % 4);
}

/** One number of each of four outputs, 0 for missing outputs. */
function column(from: I32, { row, first, count }: { row: number; first: number; count: number }): V128 {
  if (first >= count) return v128.const(0);
  let made = v128.loadZero(from, first * row);
  for (let lane = 1; lane < 4 && first + lane < count; lane++)
    made = v128.loadLane(from, made, lane, (first + lane) * row);
  return made;
}
