import { type Executable, sizeOf, type Tensor, tensorOf, throwIfAborted, type WorkOptions } from "@residual/core";

/** The most images of a run: memory grows with them, and on no backend measured here more were faster. */
const LARGEST = 32;

/** What a larger batch has to save of an image's time. Less is noise, and costs memory and padding. */
const WORTH = 0.05;

/** Milliseconds of a run after which a batch that saves nothing ends the search: what a run costs by itself is less. */
const LONG = 50;

/**
 * The batch with which an image takes the least time, found by doubling. Small models gain by some doublings and not
 * by others, so that the search goes on while runs are short. The shape of an image is [3, crop, crop].
 */
export async function bestBatch(
  executable: Executable<"image">,
  crop: number,
  signal: WorkOptions["signal"],
): Promise<number> {
  let best = { batch: 1, ms: await msPerImage(executable, [1, 3, crop, crop]) };
  for (let batch = 2; batch <= LARGEST; batch *= 2) {
    throwIfAborted(signal);
    const ms = await msPerImage(executable, [batch, 3, crop, crop]);
    if (ms <= best.ms * (1 - WORTH)) best = { batch, ms };
    else if (ms * batch > LONG) break;
  }
  return best.batch;
}

/** The fastest of three runs, after one that plans for the size. */
async function msPerImage(executable: Executable<"image">, shape: readonly number[]): Promise<number> {
  const image: Tensor<"float32"> = tensorOf("float32", shape, new Float32Array(sizeOf(shape)).fill(0.5));
  const times: number[] = [];
  for (let run = 0; run < 4; run++) {
    const start = performance.now();
    await executable.run({ image });
    times.push((performance.now() - start) / shape[0]!);
  }
  return Math.min(...times.slice(1));
}
