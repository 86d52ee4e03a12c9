import { type F32, f32, f64, i32, type Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { formatLayout, type ImageLayout, imageBytes } from "../layout.ts";
import { exponential, logarithm } from "./exponential.ts";
import { type Kernel, plainKernel } from "./kernel.ts";

/**
 * For each row of logits [N, C], in float64: subtracts the maximum, so that nothing overflows, and computes Σ e^(x −
 * maximum). `finish` then computes each output. A task is a row.
 */
function overRows(
  name: string,
  [x, y]: readonly [ImageLayout, ImageLayout],
  prepare: (body: Body, sum: Local<"f64">) => Local<"f64">,
  finish: (body: Body, shifted: Local<"f64">, prepared: Local<"f64">) => F32,
): Kernel {
  return plainKernel({
    name: `${name} ${formatLayout(x)}`,
    operands: ["x", "y"],
    tasks: (images) => images,
    work: x.channels,
    task(body, task, values) {
      const row = body.let(i32.add(values.x, i32.times(task, imageBytes(x))));
      const from = body.local("i32");
      const each = (visit: () => void) => {
        body.set(from, row);
        body.times(x.channels, () => {
          visit();
          body.advance(from, 4);
        });
      };
      const largest = body.let(f32.const(-Infinity));
      each(() => body.set(largest, f32.max(largest, f32.load(from))));
      const shifted = body.local("f64");
      const shift = () => body.set(shifted, f64.sub(f64.promoteF32(f32.load(from)), f64.promoteF32(largest)));
      const sum = body.let(f64.const(0));
      each(() => {
        shift();
        body.set(sum, f64.add(sum, exponential(body, shifted)));
      });
      const prepared = prepare(body, sum);
      const to = body.let(i32.add(values.y, i32.times(task, imageBytes(y))));
      each(() => {
        shift();
        body.store(to, finish(body, shifted, prepared));
        body.advance(to, 4);
      });
    },
  });
}

/** e^x / Σ e^x of each row. */
export function softmax(x: ImageLayout, y: ImageLayout): Kernel {
  return overRows(
    "softmax",
    [x, y],
    (_, sum) => sum,
    (body, shifted, sum) => f32.demoteF64(f64.div(exponential(body, shifted), sum)),
  );
}

/** x − ln Σ e^x of each row. */
export function logSoftmax(x: ImageLayout, y: ImageLayout): Kernel {
  return overRows(
    "logSoftmax",
    [x, y],
    (body, sum) => logarithm(body, sum),
    (_, shifted, log) => f32.demoteF64(f64.sub(shifted, log)),
  );
}
