import { readFileSync, writeFileSync } from "node:fs";
import { tensor, variants } from "@residual/core";
import { decodeImage, encodeImage, overlayCam } from "@residual/vision";
import { describe, expect, it } from "vitest";
import { imageOf } from "../pictures.ts";
import { temporaryFolder } from "../testing/folder.ts";
import { photo } from "../testing/photo.ts";
import { DecodingThread } from "./decoding-thread.ts";

const folder = temporaryFolder();
const picture = readFileSync(photo("chelsea.png"));
const options = { preprocessing: variants.resnet18.preprocessing, maxPixels: undefined };
const request = { ...options, picture, keepsPixels: false };

/** A program that does something else with its first picture, and answers the others. */
function failing(name: string, first: string) {
  writeFileSync(
    folder.in(name),
    `import { existsSync, writeFileSync } from "node:fs";
     import { parentPort } from "node:worker_threads";
     parentPort.once("message", () => {
       if (existsSync(${JSON.stringify(folder.in(`${name}.done`))})) return parentPort.postMessage({ image: "decoded" });
       writeFileSync(${JSON.stringify(folder.in(`${name}.done`))}, "");
       ${first}
     });`,
  );
  return { path: folder.in(name), execArgv: [] };
}

describe("a decoding thread", () => {
  it("gives the same numbers as this thread, and leaves the bytes alone", async () => {
    const thread = new DecodingThread(60_000);
    const before = Uint8Array.from(picture);
    expect((await thread.decode(request)).image).toEqual(await imageOf(picture, options, undefined));
    expect(new Uint8Array(picture)).toEqual(before);
    await expect(thread.decode({ ...request, maxPixels: 100 })).rejects.toMatchObject({ code: "FormatError" });
    await thread.close();
  });

  it("draws a map over pixels that are moved to it", async () => {
    const thread = new DecodingThread(60_000);
    const cam = { pixels: await decodeImage(picture), map: tensor([2, 2], [1, 2, 3, 4]) };
    const pixels = { ...cam.pixels, data: Uint8Array.from(cam.pixels.data) };
    const { file } = await thread.draw({ cam: { ...cam, pixels } });
    expect(file).toEqual(new Uint8Array(await encodeImage(overlayCam(cam))));
    expect(pixels.data).toHaveLength(0);
    await thread.close();
  });

  it.each([
    ["loops", "for (;;);", 500, "UnsupportedError"],
    ["exits", "process.exit(7);", 60_000, "DeviceLostError"],
    ["throws", 'throw new Error("broken");', 60_000, "DeviceLostError"],
    ["has no memory", "const all = []; for (;;) all.push(new Array(1e6).fill(0.5));", 60_000, "OutOfMemoryError"],
  ])("that %s fails its picture, and is replaced", async (name, first, timeout, code) => {
    const thread = new DecodingThread(timeout, failing(`${name.replaceAll(" ", "-")}.mjs`, first));
    await expect(thread.decode(request)).rejects.toMatchObject({ code });
    expect((await thread.decode(request)).image).toBe("decoded");
    await thread.close();
  });
});
