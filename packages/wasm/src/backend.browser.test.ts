import { BackendUnavailableError, reference, UnsupportedError } from "@residual/core";
import { wasm } from "@residual/wasm";
import { describe, expect, it } from "vitest";
import type { WasmOptions } from "./options.ts";
import { bitsOf, imageOf, residual } from "./testing/graphs.ts";

/** The part of the DOM that is used here: the package is checked without it. */
interface Frame {
  srcdoc: string;
  readonly contentWindow: object;
  remove(): void;
}
declare const document: { createElement(name: "iframe"): Frame; readonly body: { append(frame: Frame): void } };
declare function addEventListener(
  type: "message",
  listener: (event: { readonly source: object; readonly data: unknown }) => void,
): void;

declare const crossOriginIsolated: boolean;

const image = imageOf(3, 20);

/** Where runs are done in a page of this kind. */
const places: readonly WasmOptions[] = crossOriginIsolated
  ? [{ threads: 2 }, { threads: 3 }, { worker: true, threads: 1 }, {}]
  : [{ worker: true }, {}];

describe.each(places)("in a page, with %j", (options) => {
  it("gives the bits of the caller's thread, and numbers near the reference's", async () => {
    await using alone = await wasm({ worker: false }).compile(residual(20));
    await using exact = await reference.compile(residual(20));
    await using executable = await wasm(options).compile(residual(20));
    const { logits } = await executable.run({ image });
    expect(bitsOf(logits)).toEqual(bitsOf((await alone.run({ image })).logits));
    const { logits: expected } = await exact.run({ image });
    const scale = Math.max(...Array.from(expected.data, Math.abs));
    for (const [i, value] of logits.data.entries())
      expect(Math.abs(value - expected.data[i]!)).toBeLessThan(1e-4 * scale); // conformance has the bounds
  });

  it("ends an aborted run, and is right in the next; overlapping runs get their own answers", async () => {
    await using executable = await wasm(options).compile(residual(64));
    const small = [1, 2, 3].map((batch) => imageOf(batch, 64));
    const expected = [];
    for (const each of small) expected.push(bitsOf((await executable.run({ image: each })).logits));
    const controller = new AbortController();
    const running = executable.run({ image: imageOf(32, 64) }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await expect(running).rejects.toMatchObject({ code: "AbortError" });
    const answers = await Promise.all(small.map((each) => executable.run({ image: each })));
    expect(answers.map((each) => bitsOf(each.logits))).toEqual(expected);
  });
});

it("says what it runs on", async () => {
  const { driver } = await wasm().describe();
  const cores = navigator.hardwareConcurrency;
  const several = cores === 1 ? "1 thread" : `${cores} threads in workers`;
  expect(driver).toBe(`relaxed SIMD, ${crossOriginIsolated ? several : "1 thread"}`);
  const { driver: inWorker } = await wasm({ worker: true, threads: 1 }).describe();
  expect(inWorker).toBe("relaxed SIMD, 1 thread in a worker");
});

describe("refuses", () => {
  it("threads where the page is not isolated, and too many in any", () => {
    const two = expect(() => wasm({ threads: 2 }));
    if (crossOriginIsolated) two.not.toThrow();
    else two.toThrow("Cross-Origin-Embedder-Policy");
    expect(() => wasm({ threads: 1000 })).toThrow(UnsupportedError);
  });

  it("a worker that is not where it should be, and works with another", async () => {
    const compile = wasm({ worker: "/nowhere/wasm-worker.js" }).compile(residual(20));
    await expect(compile).rejects.toThrow(BackendUnavailableError);
    await expect(compile).rejects.toThrow(/does not start.*wasm-worker\.js.*wasm\(\{ worker: url \}\)/);
    await using executable = await wasm({ worker: true }).compile(residual(20));
    expect((await executable.run({ image })).logits.shape).toEqual([3, 5]);
  });

  it("a page whose policy forbids WebAssembly, and names the directive", async () => {
    const frame = document.createElement("iframe");
    const module = new URL("testing/forbidden.ts", import.meta.url).href;
    const told = new Promise((resolve) => {
      addEventListener("message", ({ source, data }) => {
        if (source === frame.contentWindow) resolve(data);
      });
    });
    frame.srcdoc =
      `<meta http-equiv="Content-Security-Policy" content="script-src 'self' 'unsafe-inline'">` +
      `<script type="module" src="${module}"></script>`;
    document.body.append(frame);
    const words = /BackendUnavailableError: wasm: .*Content-Security-Policy.*add 'wasm-unsafe-eval' to its script-src/;
    expect(await told).toEqual([expect.stringMatching(words), expect.stringMatching(words)]);
    frame.remove();
  });
});
