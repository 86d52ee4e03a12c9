import { f32, type I32, i32, type Local, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { type ImageLayout, originOf, planeBytes, quadsOf, rowBytes } from "../layout.ts";
import { type Kernel, plainKernel } from "./kernel.ts";
import { planeOf, planeTask, planeTasks } from "./planes.ts";

/** Transposes four vectors of four numbers. It is its own inverse; 8 instructions for 16 numbers. */
function transposed(body: Body, rows: readonly V128[]): readonly V128[] {
  const [a, b, c, d] = rows.map((row) => body.let(row));
  const [low, high] = [
    [body.let(v128.shuffle(a!, b!, [0, 4, 1, 5])), body.let(v128.shuffle(c!, d!, [0, 4, 1, 5]))],
    [body.let(v128.shuffle(a!, b!, [2, 6, 3, 7])), body.let(v128.shuffle(c!, d!, [2, 6, 3, 7]))],
  ] as const;
  return [low, high].flatMap(([left, right]) => [
    v128.shuffle(left, right, [0, 1, 4, 5]),
    v128.shuffle(left, right, [2, 3, 6, 7]),
  ]);
}

/** Four channels of an image, in both orders. */
interface Plane {
  readonly host: Local<"i32">;
  readonly quads: Local<"i32">;
  /** Existing channels. */
  readonly lanes: number;
}

type Copy = (body: Body, plane: Plane, channelBytes: number) => void;

/** The code that copies four pixels, and one pixel. */
interface Direction {
  readonly four: Copy;
  readonly one: (body: Body, plane: Plane, channelBytes: number, pixel: number) => void;
}

const lanesOf = ({ lanes }: Plane) => Array.from({ length: lanes }, (_, lane) => lane);

const toQuads: Direction = {
  four(body, plane, channelBytes) {
    const rows = Array.from({ length: 4 }, (_, lane) =>
      lane < plane.lanes ? v128.load(plane.host, lane * channelBytes) : v128.const(0),
    );
    for (const [pixel, value] of transposed(body, rows).entries()) body.store(plane.quads, value, 16 * pixel);
  },
  one(body, plane, channelBytes, pixel) {
    for (const lane of lanesOf(plane))
      body.store(plane.quads, f32.load(plane.host, lane * channelBytes + 4 * pixel), 16 * pixel + 4 * lane);
  },
};

const toHost: Direction = {
  four(body, plane, channelBytes) {
    const columns = Array.from({ length: 4 }, (_, pixel) => v128.load(plane.quads, 16 * pixel));
    const rows = transposed(body, columns);
    for (const lane of lanesOf(plane)) body.store(plane.host, rows[lane]!, lane * channelBytes);
  },
  one(body, plane, channelBytes, pixel) {
    for (const lane of lanesOf(plane))
      body.store(plane.host, f32.load(plane.quads, 16 * pixel + 4 * lane), lane * channelBytes + 4 * pixel);
  },
};

function copyPlane(body: Body, layout: ImageLayout, direction: Direction, plane: Plane): void {
  const { height, width } = layout;
  const isOneRow = rowBytes(layout) === 16 * width;
  const [rows, columns] = isOneRow ? [1, height * width] : [height, width];
  const channelBytes = 4 * height * width;
  const fours = Math.floor(columns / 4);
  body.times(rows, () => {
    body.times(fours, () => {
      direction.four(body, plane, channelBytes);
      body.advance(plane.host, 16);
      body.advance(plane.quads, 64);
    });
    for (let pixel = 0; pixel < columns % 4; pixel++) direction.one(body, plane, channelBytes, pixel);
    body.advance(plane.host, 4 * (columns % 4));
    body.advance(plane.quads, rowBytes(layout) - 64 * fours);
  });
}

/**
 * Converts between the host's order and quads, 4 × 4 numbers at a time. A task is a plane of quads. 16 numbers take 32
 * instructions, each read and written once, so memory limits the speed of large images.
 */
function transposeKernel(
  name: string,
  layout: ImageLayout,
  hostImage: number,
  operands: readonly ["x" | "y", "x" | "y"],
) {
  const [hostOperand, quadsOperand] = operands;
  const direction = hostOperand === "x" ? toQuads : toHost;
  const quads = quadsOf(layout);
  return plainKernel({
    name,
    operands: ["x", "y"],
    tasks: planeTasks(layout),
    work: layout.channels * layout.height * layout.width,
    task(body, task, values) {
      const at = planeTask(body, task, quads);
      const channel = i32.times(at.quad, 16 * layout.height * layout.width);
      const image: I32 = i32.times(at.image, hostImage);
      const plane = {
        host: body.let(i32.add(values[hostOperand], i32.add(image, channel))),
        quads: body.let(planeOf(values[quadsOperand], layout, at)),
      };
      const copy = (lanes: number) => copyPlane(body, layout, direction, { ...plane, lanes });
      const rest = layout.channels % 4;
      if (rest === 0) copy(4);
      else
        body.if(
          i32.eq(at.quad, i32.const(quads - 1)),
          () => copy(rest),
          () => copy(4),
        );
    },
  });
}

/** Converts host images, `bytes` apart, to quads. */
export function quadsFromHost(name: string, y: ImageLayout, bytes: number): Kernel {
  return transposeKernel(name, y, bytes, ["x", "y"]);
}

/** Converts quads to host images, `bytes` apart. */
export function hostFromQuads(name: string, x: ImageLayout, bytes: number): Kernel {
  return transposeKernel(name, x, bytes, ["y", "x"]);
}

/** Red, green and blue of four pixels, as three vectors of interleaved numbers. */
function interleaved(body: Body, channels: readonly [V128, V128, V128]): readonly V128[] {
  const [red, green, blue] = [body.let(channels[0]), body.let(channels[1]), body.let(channels[2])];
  const start = v128.shuffle(red, green, [0, 4, 1, 5]); // r0 g0 r1 g1
  const middle = v128.shuffle(green, blue, [1, 5, 2, 6]); // g1 b1 g2 b2
  const end = v128.shuffle(red, green, [3, 7, 3, 7]); // r3 g3 r3 g3
  return [
    v128.shuffle(start, blue, [0, 1, 4, 2]),
    v128.shuffle(middle, red, [0, 1, 6, 2]),
    v128.shuffle(end, blue, [6, 0, 1, 7]),
  ];
}

/** Converts three channels in the host's order to `pixels`, four pixels at a time. A task is a row of an image. */
export function pixelsFromHost(name: string, y: ImageLayout): Kernel {
  const { height, width } = y;
  const channelBytes = 4 * height * width;
  return plainKernel({
    name,
    operands: ["x", "y"],
    tasks: (images) => images * height,
    work: 3 * height * width,
    task(body, task, values) {
      const { image, quad: row } = planeTask(body, task, height);
      const within = i32.add(i32.times(image, planeBytes(y)), i32.times(row, rowBytes(y)));
      const from = body.let(i32.add(values.x, i32.add(i32.times(image, 3 * channelBytes), i32.times(row, 4 * width))));
      const to = body.let(i32.plus(i32.add(values.y, within), originOf(y)));
      body.times(Math.floor(width / 4), () => {
        const channels = [v128.load(from), v128.load(from, channelBytes), v128.load(from, 2 * channelBytes)] as const;
        for (const [at, value] of interleaved(body, channels).entries()) body.store(to, value, 16 * at);
        body.advance(from, 16);
        body.advance(to, 48);
      });
      for (let pixel = 0; pixel < width % 4; pixel++)
        for (let channel = 0; channel < 3; channel++)
          body.store(to, f32.load(from, channel * channelBytes + 4 * pixel), 12 * pixel + 4 * channel);
    },
  });
}
