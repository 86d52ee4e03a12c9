import { once } from "node:events";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { folderOf, Program, photo } from "./starter.ts";

type Frames = typeof import("../../apps/webcam-stream/frames.ts");
const { jpegFrames, newest, rawFrames } = (await import(join(folderOf("webcam-stream"), "frames.ts"))) as Frames;

const ship = photo("rocket.jpg");
const cat = await sharp(photo("chelsea.png")).jpeg({ quality: 95 }).toBuffer();
const progressive = await sharp(cat).jpeg({ progressive: true, quality: 95 }).toBuffer();
/** With a thumbnail in its metadata, as a camera writes it: a whole JPEG within the JPEG. */
const withThumbnail = Buffer.concat([cat.subarray(0, 2), segment(0xe1, await thumbnail()), cat.subarray(2)]);

function segment(marker: number, content: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

async function thumbnail(): Promise<Buffer> {
  return sharp(cat).resize(80).jpeg().toBuffer();
}

/** ffmpeg's rgb24. */
const raw = async (picture: Buffer) => sharp(picture).resize(160, 120, { fit: "fill" }).removeAlpha().raw().toBuffer();

async function* inChunks(bytes: Buffer, size: number, onChunk = () => {}): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    onChunk();
    yield bytes.subarray(at, at + size);
  }
}

/** What the program prints of a stream, and its exit code. */
async function run(words: readonly string[], stream: Buffer): Promise<{ code: number | null; lines: string[] }> {
  const program = new Program("webcam-stream", "start", words);
  program.child.stdin.end(stream);
  const code = await program.ended();
  return { code, lines: program.said.trimEnd().split("\n") };
}

describe("frames", () => {
  const frames = [cat, withThumbnail, ship, progressive];
  const between = [Buffer.from("--boundary\r\n\r\n"), Buffer.alloc(0), Buffer.from([0xff]), Buffer.from([0, 0xff, 0])];
  const stream = Buffer.concat(frames.flatMap((frame, index) => [between[index]!, frame]));

  it("of an MJPEG stream are the files that it was made of, however it is cut into chunks", async () => {
    const chunkSizes = fc.oneof(fc.integer({ min: 500, max: 5000 }), fc.integer({ min: 5000, max: stream.length }));
    await fc.assert(
      fc.asyncProperty(chunkSizes, async (size) => {
        const found = await Array.fromAsync(jpegFrames(inChunks(stream, size)));
        expect(found.map((frame) => frames.findIndex((each) => each.equals(frame as Buffer)))).toEqual([0, 1, 2, 3]);
      }),
      { numRuns: 20 },
    );
  });

  it("of raw video are as many bytes each, however it is cut into chunks", async () => {
    const bytes = Buffer.from(Array.from({ length: 5 * 24 + 7 }, (_, index) => index)); // the last is cut
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length }), async (size) => {
        const found = await Array.fromAsync(rawFrames(inChunks(bytes, size), [4, 2]));
        const expected = [0, 1, 2, 3, 4].map((index) => bytes.subarray(index * 24, index * 24 + 24));
        expect(found).toEqual(expected.map((data) => ({ width: 4, height: 2, data })));
      }),
    );
  });

  it("are read only when they are asked for", async () => {
    let chunks = 0;
    const source = jpegFrames(inChunks(stream, 1000, () => chunks++));
    await source.next();
    await new Promise(setImmediate);
    expect(chunks).toBe(Math.ceil((between[0]!.length + cat.length) / 1000));
  });

  it("that came meanwhile are dropped for the newest", async () => {
    const numbers = Array.from({ length: 10 }, (_, index) => Buffer.from([index]));
    let dropped = 0;
    const frames = newest(inChunks(Buffer.concat(numbers), 1), () => dropped++);
    const first = await frames.next();
    await new Promise(setImmediate); // the source has no more to wait for
    const rest = await Array.fromAsync(frames);
    expect([first.value, ...rest]).toEqual([numbers[0], numbers[9]]);
    expect(dropped).toBe(8);
  });

  it("tell of a stream that fails, after its last frame", async () => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield cat;
      throw new Error("the camera was unplugged");
    }
    const frames = newest(jpegFrames(failing()), () => {});
    expect((await frames.next()).value).toEqual(cat);
    await expect(frames.next()).rejects.toThrow("unplugged");
  });
});

describe("the program", () => {
  it("prints a line for each frame of MJPEG, a damaged one too", async () => {
    const cut = [20, cat.length - 5000].map((end) => cat.subarray(0, end)); // within a segment, within the pixels
    const { code, lines } = await run(["--all"], Buffer.concat([cat, cut[0]!, ship, cut[1]!, withThumbnail]));
    expect(lines).toEqual([
      "frame 1: cat 98.2 %",
      expect.stringMatching(/^frame 2: FormatError: .*damaged or cut/),
      expect.stringMatching(/^frame 3: ship /),
      expect.stringMatching(/^frame 4: FormatError: .*damaged or cut/),
      "frame 5: cat 98.2 %",
      "5 frames, 0 dropped",
    ]);
    expect(code).toBe(0);
  });

  it("prints a line for each frame of raw video", async () => {
    const { code, lines } = await run(["--raw", "160x120", "--all"], Buffer.concat([await raw(cat), await raw(ship)]));
    expect(lines).toEqual([
      expect.stringMatching(/^frame 1: cat /),
      expect.stringMatching(/^frame 2: ship /),
      "2 frames, 0 dropped",
    ]);
    expect(code).toBe(0);
  });

  it("drops frames when it is behind, never the last", async () => {
    const count = 300;
    const { lines } = await run([], Buffer.concat([...Array<Buffer>(count - 1).fill(cat), ship]));
    const summary = /^(\d+) frames, (\d+) dropped$/.exec(lines.at(-1)!)!;
    expect(Number(summary[1])).toBe(count);
    expect(Number(summary[2])).toBeGreaterThan(0);
    expect(lines.length - 1 + Number(summary[2])).toBe(count);
    expect(lines.at(-2)).toMatch(/^frame 300: ship /);
  });

  it("ends on Ctrl-C while it waits for frames", async () => {
    const program = new Program("webcam-stream", "start", ["--all"]);
    program.child.stdin.write(cat);
    while (!program.said.includes("frame 1")) await once(program.child.stdout, "data");
    expect(await program.stop()).toBe(130);
    expect(program.said).toBe("frame 1: cat 98.2 %\n");
  });

  it("ends when nobody reads on", async () => {
    const program = new Program("webcam-stream", "start", ["--all"]);
    program.child.stdin.on("error", () => {}).write(Buffer.concat(Array<Buffer>(50).fill(cat)));
    await once(program.child.stdout, "data");
    program.child.stdout.destroy();
    expect(await program.ended()).toBe(130);
  });

  it("refuses what it does not know", async () => {
    const { code, lines } = await run(["--raw", "640"], Buffer.alloc(0));
    expect(code).toBe(2);
    expect(lines).toEqual([expect.stringContaining("--raw 640"), expect.stringMatching(/^usage: /)]);
  });
});
