import { constant, graph, input, tensor } from "@residual/core";
import { describe, expect, it } from "vitest";
import { ProgramBuilder } from "./program-builder.ts";

describe("a name", () => {
  const x = input("x", ["N", 3, 2, 2]);

  it("of an operation is given once, so that parts of composite nodes take nobody's", () => {
    const to = new ProgramBuilder(graph({ name: "g", inputs: { x }, outputs: { y: x } }));
    expect(to.emit("Relu", "x", ["x"], {})).toBe("x_1");
    expect(to.emit("Relu", "node/part", ["x"], {})).toBe("node/part");
    expect(to.emit("Relu", "node/part", ["x"], {})).toBe("node/part_1");
    const steps = ["part", "last"].map((suffix) => {
      return [suffix, (from: string, name: string) => to.emit("Relu", name, [from], {})] as const;
    });
    expect(to.chain("node", "x", steps)).toBe("node");
    expect(to.operations.map(({ name }) => name).slice(3)).toEqual(["node/part_2", "node"]);
  });

  it("of a layout is that of what is laid out, and is made once", () => {
    const to = new ProgramBuilder(graph({ name: "g", inputs: { x }, outputs: { y: x } }));
    const weight = constant("w", tensor([2, 3, 1, 1], [1, 2, 3, 4, 5, 6]));
    const layout = { kind: "kernel", group: 0, groups: 1 } as const;
    expect([to.inLayout(weight, weight, layout), to.inLayout(weight, weight, layout)]).toEqual(["w", "w"]);
    expect(to.inLayout(weight, weight, { kind: "columns" })).toBe("w/columns");
    expect(to.channelsLast(x)).toBe("x/channels-last");
    expect(to.channelsLast(x)).toBe("x/channels-last");
    expect([...to.weights.keys(), ...to.operations.map(({ name }) => name)]).toEqual([
      "w",
      "w/columns",
      "x/channels-last",
    ]);
  });
});
