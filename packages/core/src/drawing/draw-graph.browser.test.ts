/** How pictures look where they are shown: measured in a browser. */
import { describe, expect, it } from "vitest";
import { resnet } from "../models/resnet.ts";
import { type ModelName, modelNames, variants } from "../models/variants.ts";
import { type DrawGraphOptions, drawGraph } from "./draw-graph.ts";

/** The part of the DOM that is used here: the package is checked without it. */
interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
interface Element {
  readonly tagName: string;
  readonly textContent: string;
  readonly previousElementSibling: Element | null;
  innerHTML: string;
  getBoundingClientRect(): Box;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}
declare const document: { readonly body: Element };
declare class DOMParser {
  parseFromString(text: string, type: "image/svg+xml"): { querySelector(selector: string): Element | null };
}

const named = (name: ModelName) => resnet(variants[name], { name });

/** What is wrong with the layout of a picture, in words. */
function flawsOf(svg: string): readonly string[] {
  document.body.innerHTML = svg;
  const root = document.body.querySelector("svg")!;
  const whole = root.getBoundingClientRect();
  const texts = [...root.querySelectorAll("text")].map((element) => ({
    element,
    box: element.getBoundingClientRect(),
  }));
  const isIn = (inner: Box, outer: Box) =>
    inner.left >= outer.left - 0.5 &&
    inner.right <= outer.right + 0.5 &&
    inner.top >= outer.top - 1 &&
    inner.bottom <= outer.bottom + 1;
  const overlap = (a: Box, b: Box) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  const flaws: string[] = [];
  if (whole.right - whole.left > 900.5) flaws.push(`${whole.right - whole.left} pixels in width`);
  for (const [at, { element, box }] of texts.entries()) {
    if (!isIn(box, whole)) flaws.push(`${element.textContent} leaves the picture`);
    const others = texts.slice(at + 1).filter((other) => overlap(box, other.box));
    for (const other of others) flaws.push(`${element.textContent} overlaps ${other.element.textContent}`);
  }
  for (const group of root.querySelectorAll("g")) {
    const [rect, ...lines] = [...group.querySelectorAll(":scope > rect[rx='4'], :scope > rect[rx='4'] ~ text")];
    for (const line of rect?.tagName === "rect" ? lines : [])
      if (!isIn(line.getBoundingClientRect(), rect!.getBoundingClientRect()))
        flaws.push(`${line.textContent} leaves its box`);
  }
  return flaws;
}

describe.each<[string, DrawGraphOptions]>([
  ["layers", {}],
  ["blocks", { depth: 2 }],
  ["stages", { depth: 1 }],
])("a picture of %s is XML, and no text leaves its place or overlaps another", (_, options) => {
  it.each(modelNames)("%s", (name) => {
    const svg = drawGraph(named(name), options);
    expect(new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("parsererror")).toBeNull();
    expect(flawsOf(svg)).toEqual([]);
  });
});

it.each<[ModelName, ModelName]>([
  ["resnet50", "seresnext50_32x4d"],
  ["resnet50", "resnet50d"],
  ["resnet50d", "resnet50"],
  ["cifar_resnet20", "cifar_preact20_proj"],
  ["keras_tutorial_resnet", "resnet34"],
  ["resnet18", "resnet50v2"],
  ["mlperf_tiny_resnet8", "pytorch_tutorial_net"],
])("so does what differs between %s and %s", (one, other) => {
  for (const open of [false, true]) expect(flawsOf(drawGraph(named(one), { compare: named(other), open }))).toEqual([]);
});

it("names of a file break neither the document nor its layout", () => {
  const name = `</text><script>alert(1)</script> & "\u0000\u202e' ]]> ${"x".repeat(500)}`;
  const svg = drawGraph(resnet({ ...variants.cifar_resnet20, classes: 3 }, { name }));
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
  expect(parsed.querySelector("parsererror, script")).toBeNull();
  expect(parsed.querySelector("title")!.textContent).toContain("</text><script>");
  expect(flawsOf(svg)).toEqual([]);
});
