import { tensorOf } from "@residual/core";
import { describe, expect, it } from "vitest";
import { encodeModel, type Model } from "./model-proto.ts";
import { concatenate } from "./protobuf.ts";
import { decodeModel } from "./testing/onnx-descriptor.ts";

const weights = Float32Array.of(1, -2.5, 3, 0.1);
const model: Model = {
  name: "sample",
  nodes: [
    {
      operator: "Conv",
      name: "conv1",
      inputs: ["image", "weight"],
      outputs: ["y"],
      attributes: { pads: { ints: [0, 1, 2, 3] }, group: { int: 4 }, epsilon: { float: 0.1 }, axis: { int: -1 } },
    },
  ],
  inputs: [{ name: "image", shape: ["N", 3, 224, 224] }],
  outputs: [{ name: "y", shape: ["N", 8] }],
  values: [{ name: "inner", shape: ["N", 4, 2, 2] }],
  initializers: [
    { name: "weight", source: tensorOf("float32", [2, 2], weights) },
    { name: "pads", source: tensorOf("int64", [2], BigInt64Array.of(0n, -1n)) },
    {
      name: "apart",
      source: tensorOf("float32", [4], weights),
      external: { location: "w.bin", offset: 64, length: 16 },
    },
  ],
  variables: [],
  metadata: { key: "value", ключ: "" },
};

/** Independent of our reader and writer: what @bufbuild/protobuf makes of the bytes. */
const decoded = decodeModel(concatenate(encodeModel(model, "1.2.3")));

describe("encodeModel", () => {
  it("writes the header", () => {
    const { irVersion, producerName, producerVersion, opsetImport, metadataProps } = decoded;
    expect([irVersion, producerName, producerVersion]).toEqual([8n, "residual", "1.2.3"]);
    expect(opsetImport).toMatchObject([{ domain: "", version: 17n }]);
    expect(metadataProps).toMatchObject([
      { key: "key", value: "value" },
      { key: "ключ", value: "" },
    ]);
  });

  it("writes nodes and their attributes", () => {
    expect(decoded.graph.name).toBe("sample");
    expect(decoded.graph.node).toMatchObject([
      { opType: "Conv", name: "conv1", input: ["image", "weight"], output: ["y"] },
    ]);
    expect(decoded.graph.node[0]!.attribute).toMatchObject([
      { name: "pads", type: 7, ints: [0n, 1n, 2n, 3n] },
      { name: "group", type: 2, i: 4n },
      { name: "epsilon", type: 1, f: Math.fround(0.1) },
      { name: "axis", type: 2, i: -1n },
    ]);
  });

  it("writes inputs and outputs, the open batch by name", () => {
    const { input, output } = decoded.graph;
    expect([input[0]!.name, output[0]!.name]).toEqual(["image", "y"]);
    expect(input[0]!.type.tensorType.elemType).toBe(1);
    expect(input[0]!.type.tensorType.shape.dim).toMatchObject([
      { dimParam: "N" },
      { dimValue: 3n },
      { dimValue: 224n },
      { dimValue: 224n },
    ]);
  });

  it("writes the shapes of what lies between", () => {
    const [inner, ...others] = decoded.graph.valueInfo;
    expect([inner!.name, others]).toEqual(["inner", []]);
    const { elemType, shape } = inner!.type.tensorType;
    expect(elemType).toBe(1);
    expect(shape.dim).toMatchObject([{ dimParam: "N" }, { dimValue: 4n }, { dimValue: 2n }, { dimValue: 2n }]);
  });

  it("writes initializers inside and outside of the model", () => {
    const [inline, numbers, apart] = decoded.graph.initializer;
    expect(inline).toMatchObject({ name: "weight", dims: [2n, 2n], dataType: 1, dataLocation: 0, externalData: [] });
    expect(new Float32Array(inline!.rawData.slice().buffer)).toEqual(weights);
    expect(numbers).toMatchObject({ name: "pads", dims: [2n], dataType: 7 });
    expect(new BigInt64Array(numbers!.rawData.slice().buffer)).toEqual(BigInt64Array.of(0n, -1n));
    expect(apart).toMatchObject({ name: "apart", dims: [4n], dataType: 1, dataLocation: 1 });
    expect(apart!.rawData).toHaveLength(0);
    expect(Object.fromEntries(apart!.externalData.map(({ key, value }) => [key, value]))).toEqual({
      location: "w.bin",
      offset: "64",
      length: "16",
    });
  });
});
