import { describe, expect, it } from "vitest";
import { readJpegHeader } from "./jpeg-file.ts";
import { jpegFrame } from "./jpeg-frame.ts";
import { codedForSharp, codedPictures } from "./testing/golden.ts";

const jpegs = [...codedPictures, ...codedForSharp].filter(({ name }) => name.startsWith("jpeg-"));

/** What cjpeg was asked for, by golden/codings/make.py: components that are not named have a sampling of 1x1. */
describe("coding", () => {
  const sampled = jpegs.filter(({ name }) => /^jpeg-\dx\d/.test(name));
  it.each(sampled)("$name: its sampling, process and scans", ({ name, bytes }) => {
    const asked = name.match(/\dx\d/g)!;
    const isProgressive = name.endsWith("-progressive");
    const { file, ...coding } = frameOfBytes(bytes);
    expect(coding).toEqual({
      process: isProgressive ? 2 : 0,
      precision: 8,
      sampling: [...asked, "1x1", "1x1"].slice(0, 3),
      scans: isProgressive ? 10 : 1, // source: libjpeg-turbo, jcparam.c, jpeg_simple_progression
    });
    expect(file).toEqual(bytes);
  });

  it.each([
    ["jpeg-arithmetic", { process: 9, scans: 1 }],
    ["jpeg-arithmetic-progressive", { process: 10, scans: 10 }],
    ["jpeg-grey", { process: 0, sampling: ["1x1"], scans: 1 }],
    ["jpeg-grey-progressive", { process: 2, sampling: ["1x1"], scans: 6 }],
    ["jpeg-4-scans", { process: 2, scans: 4 }],
    ["jpeg-inks-2x2,1x1,1x1,2x2-ycck", { process: 0, sampling: ["2x2", "1x1", "1x1", "2x2"], scans: 1 }],
    ["jpeg-inks-2x2,1x1,1x1,2x2-ycck-apart", { process: 0, scans: 4 }],
    ["jpeg-cmyk", { process: 0, sampling: ["1x1", "1x1", "1x1", "1x1"], scans: 1 }],
  ])("%s", (name, coding) => expect(frameOf(name)).toMatchObject(coding));
});

const bytesOf = (name: string) => jpegs.find((each) => each.name === name)!.bytes;
const frameOfBytes = (bytes: Uint8Array) => jpegFrame(bytes, readJpegHeader(bytes).coded);
const frameOf = (name: string) => frameOfBytes(bytesOf(name));

it("counts a scan whose marker follows fill bytes", () => {
  const file = Buffer.from(bytesOf("jpeg-2x2-progressive"));
  const last = file.lastIndexOf(Buffer.of(0xff, 0xda));
  for (const fill of [1, 2]) {
    const filled = Buffer.concat([file.subarray(0, last), Buffer.alloc(fill, 0xff), file.subarray(last)]);
    expect(frameOfBytes(filled).scans).toBe(10);
  }
});

it("leaves out stray bytes between headers and behind the image, and those alone", () => {
  const whole = bytesOf("jpeg-2x2");
  const [app0, end] = [whole.subarray(2, 20), whole.subarray(20)];
  const stray = Uint8Array.of(1, 0, 3);
  const file = Buffer.concat([whole.subarray(0, 2), stray, app0, stray, end, stray]);
  expect(Buffer.from(frameOfBytes(file).file).equals(whole)).toBe(true);
});

it("counts no scan behind the image", () => {
  const film = Buffer.alloc(4 * 600, Buffer.of(0xff, 0xda, 0, 2));
  expect(frameOfBytes(Buffer.concat([bytesOf("jpeg-2x2-progressive"), film])).scans).toBe(10);
});

it("without a frame is a FormatError", () => {
  const scan = Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 2, 0xff, 0xd9);
  expect(() => frameOfBytes(scan)).toThrow("found a JPEG without a frame");
});
