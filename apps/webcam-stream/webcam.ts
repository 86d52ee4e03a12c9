/**
 * Frames of a webcam on stdin, a line for each on stdout. A frame that comes while the model is busy is dropped for a
 * newer one.
 *
 *   ffmpeg -loglevel error -f v4l2 -i /dev/video0 -c:v mjpeg -f mjpeg - | node webcam.ts
 *   ffmpeg -loglevel error -i film.mp4 -pix_fmt rgb24 -f rawvideo - | node webcam.ts --raw 640x480 --all
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { load } from "residual";
import { type Frame, jpegFrames, newest, rawFrames } from "./frames.ts";

const usage = "usage: node webcam.ts [--raw WIDTHxHEIGHT] [--all], with frames on stdin; --all drops no frame";

/** The size of raw frames; undefined for MJPEG. */
function sizeOf(raw: string | undefined): readonly [number, number] | undefined {
  if (raw === undefined) return undefined;
  const [, width, height] = /^(\d+)x(\d+)$/.exec(raw) ?? [];
  if (Number(width) * Number(height) > 0) return [Number(width), Number(height)];
  throw new Error(`--raw ${raw}: expected a width and a height`);
}

const { all, size } = options();
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.stdout.on("error", () => stop.abort()); // nobody reads on, as behind `| head`

let [read, dropped] = [0, 0];
const numbers = new WeakMap<Frame, number>();
async function* numbered(frames: AsyncIterable<Frame>): AsyncGenerator<Frame> {
  for await (const frame of frames) {
    numbers.set(frame, ++read);
    yield frame;
  }
}

const classifier = await load();
const frames = numbered(size ? rawFrames(process.stdin, size) : jpegFrames(process.stdin));
const taken = all ? frames : newest(frames, () => dropped++);
try {
  // a batch of 1: the two frames that are decoded ahead are as old as a picture gets
  for await (const { picture, predictions, error } of classifier.classifyAll(taken, {
    batch: 1,
    signal: stop.signal,
  })) {
    const [best] = predictions ?? [];
    const line = best ? `${best.label} ${(best.probability * 100).toFixed(1)} %` : `${error?.name}: ${error?.message}`;
    console.log(`frame ${numbers.get(picture)}: ${line}`);
  }
  console.error(`${read} frames, ${dropped} dropped`);
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
} finally {
  process.stdin.destroy();
  await classifier.dispose();
}

function options() {
  try {
    const { values } = parseArgs({ options: { raw: { type: "string" }, all: { type: "boolean", default: false } } });
    return { all: values.all, size: sizeOf(values.raw) };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error, `\n${usage}`);
    process.exit(2);
  }
}
