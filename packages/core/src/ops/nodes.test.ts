import { describe, expect, it } from "vitest";
import { ShapeError } from "../ir/errors.ts";
import { graph } from "../ir/graph.ts";
import { input, named, parameter } from "../ir/value.ts";
import { applyOp, isOpName, type Lowering, lower, macsOf, opOf, ops, partsOf, rolesOf } from "./nodes.ts";

const x = input("x", ["N", 2, 3, 3]);
const weight = parameter("weight", [2, 2, 3, 3]);
const block = (options: object) =>
  named("block", applyOp("fusedConv2d", { x, weight, residual: x }, { padding: 1, ...options }));

describe("opOf", () => {
  it("knows ops by name, and refuses a name that none has", () => {
    expect(opOf("relu").name).toBe("relu");
    expect(isOpName("constructor")).toBe(false);
    expect(() => opOf("constructor")).toThrow(ShapeError);
    expect(() => applyOp("conv3d", { x }, {})).toThrow("no op is called conv3d");
  });

  it("applies an op as a call does", () => {
    expect(applyOp("conv2d", { x, weight }, { padding: 1 })).toEqual(ops.conv2d({ x, weight }, { padding: 1 }));
  });

  it("keeps a node as it was, whose list the caller changes later", () => {
    const [shape, stride]: [number[], [number, number]] = [
      [-1, 18],
      [1, 1],
    ];
    const nodes = [ops.reshape({ x }, { shape }), ops.maxPool2d({ x }, { window: 2, stride })];
    const before = structuredClone(nodes);
    shape[1] = 9;
    stride[0] = 2;
    expect(nodes).toEqual(before);
  });

  it("names each op after its key", () => {
    for (const [name, op] of Object.entries(ops)) expect(op.name).toBe(name);
  });
});

it("rolesOf gives required and optional inputs in the op's order", () => {
  expect(Object.entries(rolesOf("fusedConv2d"))).toEqual([
    ["x", "data"],
    ["weight", "weight"],
    ["bias", "bias"],
    ["residual", "data"],
  ]);
});

describe("a composite op", () => {
  it("is made of nodes whose names begin with its own", () => {
    expect(partsOf(block({ relu: true })).map(({ name }) => name)).toEqual(["block/conv2d", "block/add", "block"]);
    expect(partsOf(block({})).map(({ name }) => name)).toEqual(["block/conv2d", "block"]);
    expect(partsOf(ops.relu({ x }))).toEqual([]);
  });

  it("costs what its parts cost", () => {
    expect(macsOf(block({ relu: true }), 5)).toBe(5 * 2 * 9 * 18);
  });

  it("is lowered by its parts where a table has no row for it", () => {
    const y = block({ relu: true });
    const made = graph({ name: "g", inputs: { x }, outputs: { y } });
    const steps: string[] = [];
    const emit = (node: { name: string; op: string }, inputs: object) => {
      steps.push(`${node.name} = ${node.op}(${Object.values(inputs).join(", ")})`);
      return node.name;
    };
    const table = Object.fromEntries(Object.keys(ops).map((name) => [name, emit])) as unknown as Lowering<string>;
    const { fusedConv2d: _, ...primitives } = table;
    expect(lower(made, primitives, (leaf) => leaf.name).get(y)).toBe("block");
    expect(steps).toEqual([
      "block/conv2d = conv2d(x, weight)",
      "block/add = add(block/conv2d, x)",
      "block = relu(block/add)",
    ]);
    steps.length = 0;
    lower(made, table, (leaf) => leaf.name);
    expect(steps).toEqual(["block = fusedConv2d(x, weight, x)"]);
  });
});
