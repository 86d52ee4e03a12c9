import { describe, expect, it } from "vitest";
import { operations } from "./operations.ts";

const shapes: { readonly [variable: string]: readonly number[] } = {
  kernel: [3, 3, 2, 4],
  gamma: [4],
  beta: [4],
  moving_mean: [4],
  moving_variance: [4],
};

/** Translates a layer that has all variables except `lacks`. `format` is the layout of the network's images. */
function operationOf(kind: string, settings: object, lacks: readonly string[] = [], format = "channels_last"): unknown {
  return operations[kind]!(Object.fromEntries(Object.entries(settings)), {
    format,
    weightOf: (variable = "") => {
      const shape = lacks.includes(variable) ? undefined : shapes[variable];
      return shape && { tensor: variable, shape, changes: [] };
    },
  });
}

describe("a Keras layer", () => {
  it("has Keras' defaults where its settings are missing", () => {
    expect(operationOf("BatchNormalization", {})).toMatchObject({ epsilon: 1e-3 });
    expect(operationOf("Conv2D", { use_bias: false })).toMatchObject({
      stride: [1, 1],
      dilation: [1, 1],
      padding: [0, 0, 0, 0],
      groups: 1,
    });
    expect(operationOf("MaxPooling2D", { strides: null })).toMatchObject({ window: [2, 2], stride: [2, 2] });
    expect(operationOf("MaxPooling2D", { pool_size: 3 })).toMatchObject({ window: [3, 3], stride: [3, 3] });
    expect(operationOf("ZeroPadding2D", {})).toMatchObject({ padding: [1, 1, 1, 1] });
  });

  it("has zeros at the top, left, bottom and right", () => {
    const padding = [
      [1, 2],
      [3, 4],
    ];
    expect(operationOf("ZeroPadding2D", { padding })).toMatchObject({ padding: [1, 3, 2, 4] });
    expect(operationOf("ZeroPadding2D", { padding: [1, 3] })).toMatchObject({ padding: [1, 3, 1, 3] });
  });

  it.each<[string, object, readonly string[]]>([
    ["Conv2D", { use_bias: false }, ["kernel"]],
    ["Conv2D", {}, ["bias"]],
    ["Dense", { use_bias: false }, ["kernel"]],
    ["BatchNormalization", {}, ["moving_mean"]],
    ["BatchNormalization", {}, ["moving_variance"]],
    ["BatchNormalization", {}, ["gamma"]],
    ["BatchNormalization", {}, ["beta"]],
  ])("%s with %j is not there without %j in the file", (kind, settings, lacks) => {
    expect(operationOf(kind, settings, lacks)).toBe(" without its numbers in the file");
  });

  it("goes without a scale and a shift where it has none", () => {
    const settings = { scale: false, center: false };
    expect(operationOf("BatchNormalization", settings, ["gamma", "beta"])).toMatchObject({
      op: "batchNorm",
      scale: undefined,
      shift: undefined,
    });
  });

  it.each([
    ["channels_last", 3, true],
    ["channels_last", [-1], true],
    ["channels_last", 1, false],
    ["channels_last", [3, 1], false],
    ["channels_first", 1, true],
    ["channels_first", -3, true],
    ["channels_first", 3, false],
  ])("normalizes channels: %s over the axis %j: %s", (format, axis, isNorm) => {
    const found = operationOf("BatchNormalization", { axis }, [], format);
    if (isNorm) expect(found).toMatchObject({ op: "batchNorm" });
    else expect(found).toBe(` over the axis ${[axis].flat().join(", ")}`);
  });

  it.each(["Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "ZeroPadding2D"])(
    "%s has the format of the network's images",
    (kind) => {
      const settings = { use_bias: false, data_format: "channels_first" };
      expect(operationOf(kind, settings)).toBe(" of channels_first");
      expect(operationOf(kind, settings, [], "channels_first")).toMatchObject({ op: expect.any(String) as unknown });
    },
  );
});
