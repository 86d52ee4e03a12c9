/** A file, or pixels. */
export type Frame = Buffer | { readonly width: number; readonly height: number; readonly data: Uint8Array };

const START = Buffer.from([0xff, 0xd8]);
const [START_OF_SCAN, END] = [0xffda, 0xffd9];
/** In bytes. No camera's frame comes near it; without a limit a damaged stream would fill the memory. */
const LARGEST_FRAME = 64e6;

/** The JPEG files of an MJPEG stream, whatever lies between them. Reads on only when the next frame is asked for. */
export async function* jpegFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let bytes: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const start = bytes.indexOf(START);
      bytes = start < 0 ? bytes.subarray(-1) : bytes.subarray(start); // the last byte may be half of a marker
      const length = start < 0 ? undefined : lengthOfJpeg(bytes);
      if (length === undefined) break;
      yield bytes.subarray(0, length);
      bytes = bytes.subarray(length);
    }
    if (bytes.length > LARGEST_FRAME) throw new Error(`found a JPEG of over ${LARGEST_FRAME} bytes without its end`);
  }
}

/** The length of the JPEG that `bytes` begins with, or undefined while its end has not come. */
function lengthOfJpeg(bytes: Buffer): number | undefined {
  let at = START.length;
  while (at + 4 <= bytes.length) {
    const marker = bytes.readUInt16BE(at);
    if (marker < 0xff00 || START.compare(bytes, at, at + 2) === 0) return startOfNext(bytes);
    at += 2 + bytes.readUInt16BE(at + 2); // over a segment: a thumbnail within it has markers too
    if (marker === START_OF_SCAN) at = nextMarker(bytes, at);
    if (at + 2 <= bytes.length && bytes.readUInt16BE(at) === END) return at + 2;
  }
  return undefined;
}

/** Where a cut or damaged JPEG ends. */
function startOfNext(bytes: Buffer): number | undefined {
  const start = bytes.indexOf(START, START.length);
  return start < 0 ? undefined : start;
}

/** Where the coded data ends that begins at `at`: 0xff is followed by 0 in it, or by a restart marker. */
function nextMarker(bytes: Buffer, at: number): number {
  for (let end = bytes.indexOf(0xff, at); end >= 0 && end + 1 < bytes.length; end = bytes.indexOf(0xff, end + 1)) {
    const next = bytes[end + 1]!;
    if (next !== 0 && next !== 0xff && (next & 0xf8) !== 0xd0) return end;
  }
  return bytes.length;
}

/** Frames of ffmpeg's `-f rawvideo -pix_fmt rgb24`. Reads on only when the next frame is asked for. */
export async function* rawFrames(
  chunks: AsyncIterable<Buffer>,
  [width, height]: readonly [number, number],
): AsyncGenerator<Frame> {
  const size = width * height * 3;
  let parts: Buffer[] = [];
  let held = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    held += chunk.length;
    if (held < size) continue;
    let bytes = Buffer.concat(parts);
    for (; bytes.length >= size; bytes = bytes.subarray(size)) yield { width, height, data: bytes.subarray(0, size) };
    parts = [bytes];
    held = bytes.length;
  }
}

/** The newest frame each time that one is asked for. Frames that came meanwhile are dropped. */
export async function* newest(frames: AsyncIterable<Frame>, onDrop: () => void): AsyncGenerator<Frame> {
  let waiting: Frame | undefined;
  let wake = () => {};
  let isEnded = false;
  const read = async () => {
    for await (const frame of frames) {
      if (waiting) onDrop();
      waiting = frame;
      wake();
    }
  };
  const reading = read().finally(() => {
    isEnded = true;
    wake();
  });
  reading.catch(() => {}); // thrown below, after the last frame
  for (;;) {
    if (!waiting && !isEnded) await new Promise<void>((resolve) => (wake = resolve));
    if (!waiting) break;
    const frame = waiting;
    waiting = undefined;
    yield frame;
  }
  await reading;
}
