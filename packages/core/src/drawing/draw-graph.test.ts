import { describe, expect, it } from "vitest";
import { fixtureWeights } from "../fixture.ts";
import { type Graph, graph, nodesOf } from "../ir/graph.ts";
import { input, named, parameter, type Value } from "../ir/value.ts";
import { resnet } from "../models/resnet.ts";
import { type ModelName, modelNames, variants } from "../models/variants.ts";
import { add, conv2d, relu } from "../ops/index.ts";
import { bind } from "../passes/bind.ts";
import { optimize } from "../passes/index.ts";
import { select } from "../passes/select.ts";
import { trainable } from "../passes/trainable.ts";
import { sgd } from "../training/optimizers.ts";
import { trainingStep } from "../training/training-step.ts";
import { compared } from "./compared.ts";
import { type DrawGraphOptions, drawGraph } from "./draw-graph.ts";
import { type Figure, figureOf } from "./figure.ts";
import { escaped } from "./svg.ts";

const of = (name: ModelName) => resnet(variants[name], { name });

/** Boxes of a figure as `layer2.0: 3×3 conv, 64 + BN; …`, shortcuts as `0 -> 2 by 1×1`. */
function print({ panels }: Figure): readonly string[] {
  return panels.flatMap(({ name, frames }) =>
    frames.map((frame) => {
      const boxes = frame.boxes.map(({ lines, change, before }) => {
        const sign = { same: "", added: "+", removed: "-", changed: "~" }[change];
        return `${sign}${before ? `${before.join(" | ")} => ` : ""}${lines.join(" | ")}`;
      });
      const arcs = frame.shortcuts.map(({ from, to, lines, change }) => {
        return ` [${change === "same" ? "" : `${change} `}${from} -> ${to}${lines.length > 0 ? ` by ${lines.join(" | ")}` : ""}]`;
      });
      return `${frame.name || name}: ${boxes.join("; ")}${arcs.join("")}`;
    }),
  );
}

describe("a network in training", () => {
  const open = resnet(variants.cifar_preact20_proj, { input: [2, 3, 32, 32] });
  const net = trainable(open, { weights: fixtureWeights(open, "v1") });

  it("is drawn as the network", () => {
    expect(drawGraph(net)).toBe(drawGraph(open));
    expect(drawGraph(open, { compare: net })).not.toMatch(/\d+ layers/);
  });

  it("is drawn without its loss and its updates", () => {
    expect(drawGraph(trainingStep(net, { loss: "crossEntropy", optimizer: sgd() }))).toBe(drawGraph(open));
  });
});

describe("figureOf", () => {
  it("has each convolution with its norm and ReLU, and each shortcut", () => {
    expect(print(figureOf(of("resnet10t"), 3)).slice(0, 3)).toEqual([
      "stem: 3×3 conv, 24 | stride 2 | BN · ReLU; 3×3 conv, 32 | BN · ReLU; 3×3 conv, 64 | BN · ReLU; 3×3 max pool | stride 2",
      "layer1.0: 3×3 conv, 64 | BN · ReLU; 3×3 conv, 64 | BN; + | ReLU [-1 -> 2]",
      "layer2.0: 3×3 conv, 128 | stride 2 | BN · ReLU; 3×3 conv, 128 | BN; + | ReLU [-1 -> 2 by 2×2 mean pool | stride 2 | 1×1 conv, 128 | BN]",
    ]);
  });

  it.each<[ModelName, string, string]>([
    [
      "seresnext50_32x4d",
      "layer2.0",
      "1×1 conv, 256 | BN · ReLU; 3×3 conv, 256 | stride 2 · 32 groups | BN · ReLU; 1×1 conv, 512 | BN; squeeze-excite | 32 channels; + | ReLU [-1 -> 4 by 1×1 conv, 512 | stride 2 | BN]",
    ],
    [
      "cifar_resnet20",
      "layer3.0",
      "3×3 conv, 64 | stride 2 | BN · ReLU; 3×3 conv, 64 | BN; + | ReLU [-1 -> 2 by subsample | stride 2 | zero channels | 16 before, 16 after]",
    ],
    [
      "cifar_preact20_proj",
      "layer2.0",
      "BN | ReLU; 3×3 conv, 32 | stride 2 | BN · ReLU; 3×3 conv, 32; + [0 -> 3 by 1×1 conv, 32 | stride 2]",
    ],
    ["cifar_preact20_proj", "layer2.1", "BN | ReLU; 3×3 conv, 32 | BN · ReLU; 3×3 conv, 32; + [-1 -> 3]"],
    [
      "mlperf_tiny_resnet8",
      "layer2.0",
      "3×3 conv, 32 | stride 2 · padding 0 0 1 1 | bias · BN · ReLU; 3×3 conv, 32 | bias · BN; + | ReLU [-1 -> 2 by 1×1 conv, 32 | stride 2 | bias]",
    ],
    ["paddle_unit_s1_id", "block", "3×3 conv, 8 | bias · BN · ReLU; 3×3 conv, 8 | bias · BN; + [-1 -> 2]"],
    ["keras_tutorial_resnet", "head", "global mean pool | flatten; linear, 1000; softmax"],
  ])("of %s has %s", (name, frame, expected) => {
    expect(print(figureOf(of(name), 3))).toContain(`${frame}: ${expected}`);
  });

  it.each(modelNames)("hides no connection of %s", (name) => {
    expect(figureOf(of(name), 3).hidden).toEqual({ connections: 0, layers: 0 });
  });

  it("counts what it does not show", () => {
    const image = input("image", ["N", 1, 4, 4]);
    const conv = (x: Value, name: string) =>
      named(name, conv2d({ x, weight: parameter(`${name}.weight`, [1, 1, 1, 1]) }));
    const first = named("a.sum", add({ a: conv(image, "a.conv"), b: image }));
    const second = named("b.sum", add({ a: conv(first, "b.conv"), b: first }));
    const third = named("c.sum", add({ a: conv(second, "c.conv"), b: first })); // over block b
    const net = graph({ name: "dense", inputs: { image }, outputs: { y: named("out", relu({ x: third })) } });
    expect(figureOf(net, 3).hidden).toEqual({ connections: 1, layers: 0 });
    expect(drawGraph(net)).toContain("not drawn: 1 connection over blocks");
  });

  it("keeps the main path where there is an output aside, and counts that", () => {
    const open = of("cifar_resnet20");
    const net = select(bind(open, fixtureWeights(open, "v1")), ["cam", "logits"]);
    const { hidden, panels } = figureOf(net, 3);
    expect(hidden).toEqual({ connections: 0, layers: 1 });
    expect(panels.at(-1)!.frames[0]!.boxes.map(({ lines }) => lines[0])).toEqual(["global mean pool", "linear, 10"]);
    expect(drawGraph(net)).toContain("not drawn: 1 layer beside");
  });

  it("has the blocks of an optimized network", () => {
    const open = of("resnet18");
    const lines = print(figureOf(optimize(bind(open, fixtureWeights(open, "v1"))), 3));
    expect(lines.slice(1, 4)).toEqual([
      "layer1.0: 3×3 conv, 64 | bias · ReLU; 3×3 conv, 64 | bias · sum · ReLU [-1 -> 1]",
      "layer1.1: 3×3 conv, 64 | bias · ReLU; 3×3 conv, 64 | bias · sum · ReLU [-1 -> 1]",
      "layer2.0: 3×3 conv, 128 | stride 2 | bias · ReLU; 3×3 conv, 128 | bias · sum · ReLU [-1 -> 1 by 1×1 conv, 128 | stride 2 | bias]",
    ]);
  });
});

describe("compared", () => {
  const differences = (one: ModelName, other: ModelName) =>
    print(compared(figureOf(of(one), 3), figureOf(of(other), 3))).filter((line) =>
      /[+~-](?! |$)|added|removed|changed/.test(
        line
          .replace(/^[^:]*: /, "")
          .replaceAll("squeeze-excite", "SE")
          .replaceAll(/-1 ->/g, ""),
      ),
    );

  it("of a network with itself is that network, whatever it is", () => {
    for (const name of modelNames) {
      const figure = figureOf(of(name), 3);
      expect(compared(figure, figure), name).toEqual(figure);
    }
  });

  it("tells groups, widths and gates", () => {
    const [first, ...rest] = differences("resnet50", "seresnext50_32x4d");
    expect(first).toBe(
      "layer1.0: ~1×1 conv, 64 | BN · ReLU => 1×1 conv, 128 | BN · ReLU; ~3×3 conv, 64 | BN · ReLU => 3×3 conv, 128 | 32 groups | BN · ReLU; 1×1 conv, 256 | BN; +squeeze-excite | 16 channels; + | ReLU [-1 -> 4 by 1×1 conv, 256 | BN]",
    );
    expect(rest).toHaveLength(15);
  });

  it("tells a stride that has moved, a stem and shortcuts of another kind, and blocks that are new or gone", () => {
    expect(differences("resnet50_v1", "resnet50").map((line) => line.split(":")[0])).toEqual([
      "layer2.0",
      "layer3.0",
      "layer4.0",
    ]);
    const tweaked = differences("resnet50", "resnet50d");
    expect(tweaked[0]).toMatch(
      /^stem: -7×7 conv, 64 .*; \+3×3 conv, 32 .*; \+3×3 conv, 32 .*; \+3×3 conv, 64 .*; 3×3 max pool/,
    );
    expect(tweaked.slice(1)).toEqual(
      [2, 3, 4].map(() => expect.stringContaining("[changed -1 -> 3 by 2×2 mean pool") as string),
    );
    const blocks = (lines: readonly string[]) => lines.map((line) => line.split(":")[0]);
    const more = Array.from({ length: 17 }, (_, i) => `layer3.${i + 6}`);
    expect(blocks(differences("resnet50", "resnet101"))).toEqual(more);
    expect(blocks(differences("resnet101", "resnet50"))).toEqual(more);
    expect(differences("resnet50", "resnet101")[0]).toMatch(/: \+1×1.*; \+3×3.*; \+1×1/);
    expect(differences("resnet101", "resnet50")[0]).toMatch(/: -1×1.*; -3×3.*; -1×1/);
  });
});

describe("drawGraph", () => {
  const count = (svg: string, what: RegExp) => svg.match(what)?.length ?? 0;

  it("draws blocks that are alike once, or each where they are to be open", () => {
    const folded = drawGraph(of("resnet152"));
    expect([2, 7, 35, 2].every((times) => folded.includes(`>× ${times}</text>`))).toBe(true);
    expect(count(folded, /class="frame"/g)).toBe(8);
    expect(count(drawGraph(of("resnet152"), { open: true }), /class="frame"/g)).toBe(50);
  });

  it("has a title and a description for screen readers, its own fonts and colours, and nothing that runs", () => {
    const svg = drawGraph(of("resnet18"), { theme: "auto" });
    expect(svg).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*role="img" aria-labelledby="title description"/,
    );
    expect(svg).toContain('<title id="title">resnet18</title>');
    expect(svg).toContain(
      '<desc id="description">11.7 M parameters, 1.81 G multiply-adds. From image N×3×224×224: stem to 64×56×56; layer1 of 2 blocks to 64×56×56; layer2 of 2 blocks to 128×28×28; layer3 of 2 blocks to 256×14×14; layer4 of 2 blocks to 512×7×7; head to 1000.</desc>',
    );
    expect(svg).toContain("@media(prefers-color-scheme:dark)");
    expect(drawGraph(of("resnet18"))).not.toContain("prefers-color-scheme");
    expect(svg).not.toMatch(/<script|href|url\(|NaN|undefined/);
  });

  describe("says of each part what it shows", () => {
    const listed = (svg: string, attribute: string) =>
      [...svg.matchAll(new RegExp(` ${attribute}="([^"]*)"`, "g"))].map(([, names]) => names!);
    const named = (graph: Graph) => nodesOf(graph).map(({ name }) => name);

    it.each<DrawGraphOptions>([{ depth: 1 }, { depth: 2 }, { depth: 3 }, { depth: 3, open: true }])(
      "each node lies in one box of each network: %o",
      (options) => {
        for (const name of modelNames) {
          const graph = of(name);
          const names = listed(drawGraph(graph, options), "data-nodes").flatMap((all) => all.split(" "));
          expect(names.toSorted(), name).toEqual(named(graph).toSorted());
        }
      },
    );

    it("lines carry values of the network, the first its input and the last its output", () => {
      for (const name of modelNames) {
        const graph = of(name);
        const values = listed(drawGraph(graph), "data-value");
        expect(
          values.filter((value) => value !== "image" && !named(graph).includes(value)),
          name,
        ).toEqual([]);
        expect(values).toContain("image");
        expect(values.at(-1)).toBe(named(graph).at(-1));
      }
    });

    it("a shortcut carries the value where it begins, and names its layers", () => {
      const svg = drawGraph(of("resnet18"), { open: true });
      expect(listed(svg, "data-nodes")).toContain("layer2.0.downsample.0 layer2.0.downsample.1");
      expect(/<path class="edge projection" [^>]*data-value="([^"]*)"/.exec(svg)![1]).toBe("layer1.1.relu_1");
    });

    it("a box of equal blocks has the nodes of all of them", () => {
      expect(listed(drawGraph(of("resnet18")), "data-nodes")).toContain(
        "layer1.0.conv1 layer1.0.bn1 layer1.0.relu layer1.1.conv1 layer1.1.bn1 layer1.1.relu",
      );
    });
  });

  it.each([320, 480, 900])("is at most %i pixels wide where one panel fits into that", (width) => {
    for (const name of modelNames) {
      const svg = drawGraph(of(name), { width });
      expect(Number(/<svg [^>]*? width="([\d.]+)"/.exec(svg)![1]), name).toBeLessThanOrEqual(width);
    }
  });

  it("is the same text each time", () => {
    expect(drawGraph(of("resnet50"))).toBe(drawGraph(of("resnet50")));
  });
});

it("D1 refuses a graph that computes nothing", () => {
  expect(() => drawGraph(select(of("resnet18"), ["image"]))).toThrow(
    /^resnet18 has no layers to draw.*\(drawGraph\.D1\)$/,
  );
});

it("escapes what XML gives a meaning, and replaces what it cannot hold", () => {
  expect(escaped(`<a b="c">&'\u0000\u{d800}\uffff😀`)).toBe("&lt;a b=&quot;c&quot;&gt;&amp;&#39;\ufffd\ufffd\ufffd😀");
});
