import { afterEach, describe, expect, it } from "vitest";
import { toHtml } from "./html.ts";
import { sample } from "./testing/sample.ts";
import type { Check, Report } from "./types.ts";

/** The part of the DOM that this test uses: the packages are type-checked without the DOM. */
interface Box {
  getBoundingClientRect(): { readonly width: number; readonly height: number };
}
interface Frame {
  srcdoc: string;
  style: { cssText: string };
  onload: (() => void) | null;
  readonly contentDocument: {
    readonly documentElement: { readonly scrollWidth: number };
    querySelectorAll(selector: string): Iterable<Box>;
  };
  remove(): void;
}
declare const document: { createElement(name: "iframe"): Frame; readonly body: { append(frame: Frame): void } };

/** A failed check with names as long as in a deep network. */
const failed: Check = {
  name: "layer3.17.downsample.conv1",
  op: "fusedConv2d",
  passed: false,
  share: 87_312.4,
  what: "fusedConv2d(x 1×1024×14×14, weight layer3.17.conv1.folded.weight 256×1024×1×1, stride [1,1], padding [0,0,0,0], relu true) -> 1×256×14×14",
  worst: { index: [0, 255, 13, 11], expected: -0.435782914, found: 2.92730188, bound: 0.0000285 },
};

function reports(): readonly Report[] {
  const [report] = sample();
  const sections = [{ ...report!.sections[1]!, checks: Array.from({ length: 300 }, () => failed) }];
  const others = ["webgpu on a GPU", "tfjs-wasm", "a backend of one's own"];
  return [...others, "onnx"].map((name) => ({
    ...report!,
    backend: { ...report!.backend, name },
    passed: false,
    sections,
  }));
}

let frame: Frame;
afterEach(() => frame.remove());

async function shownAt(width: number): Promise<Frame["contentDocument"]> {
  frame = document.createElement("iframe");
  frame.style.cssText = `width: ${width}px; height: 800px; border: 0`;
  frame.srcdoc = toHtml(reports());
  const loaded = new Promise<void>((resolve) => {
    frame.onload = () => resolve();
  });
  document.body.append(frame);
  await loaded;
  return frame.contentDocument;
}

describe.each([360, 390, 800, 1280])("a page of %i pixels", (width) => {
  it("fits into the width of its window", async () => {
    expect((await shownAt(width)).documentElement.scrollWidth).toBeLessThanOrEqual(width);
  });

  it("shows an element that failed in a few lines", async () => {
    const rows = [...(await shownAt(width)).querySelectorAll(".cards tbody tr")].map((row) =>
      row.getBoundingClientRect(),
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(Math.max(...rows.map(({ height }) => height))).toBeLessThan(9 * 22); // lines of 1.5 times 15 pixels
    expect(Math.max(...rows.map((row) => row.width))).toBeGreaterThan(0);
  });
});
