import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../ir/errors.ts";
import { checkPreprocessing, readPreprocessing } from "./preprocessing.ts";
import { variants } from "./variants.ts";

const imagenet = variants.resnet50.preprocessing;
const cifar10 = variants.cifar_resnet20.preprocessing;
const raw32 = variants.mlperf_tiny_resnet8.preprocessing;

it.each([
  ["imagenet", imagenet],
  ["cifar10", cifar10],
  ["raw32", raw32],
])("%s comes back from its JSON", (_, known) => expect(readPreprocessing(JSON.stringify(known))).toEqual(known));

it("reads the metadata of a weights file, size and all", () => {
  const json = `{"size": [32, 32], "resize": 32, "crop": 32, "interpolation": "bilinear", "scale": 255,
    "mean": [0.4914, 0.4822, 0.4465], "std": [0.247, 0.2435, 0.2616]}`;
  expect(readPreprocessing(json)).toEqual(cifar10);
});

it("keeps upright and passes over what it does not know", () => {
  expect(checkPreprocessing({ ...raw32, upright: true, note: "?" })).toEqual({ ...raw32, upright: true });
  expect(checkPreprocessing({ ...raw32, upright: undefined })).toEqual(raw32);
  expect(checkPreprocessing({ ...raw32, channels: "bgr" })).toEqual({ ...raw32, channels: "bgr" });
});

describe("refused, by name", () => {
  it.each([
    ["resize", 0],
    ["resize", 1e9],
    ["resize", 32.5],
    ["resize", "32"],
    ["crop", -1],
    ["crop", null],
    ["interpolation", "cubic"],
    ["interpolation", "constructor"],
    ["scale", 0],
    ["scale", -255],
    ["scale", 1e-60],
    ["mean", [0, 0]],
    ["mean", [0, 0, "0"]],
    ["mean", [0, 0, 1e300]],
    ["mean", 0.5],
    ["std", [1, 1, 0]],
    ["std", [1, 1, 1e-60]],
    ["std", [1, 1, 1, 1]],
    ["size", [32]],
    ["size", [224, 224]],
    ["upright", "yes"],
    ["channels", "grb"],
  ])("%s: %j", (name, value) => {
    const act = () => readPreprocessing(JSON.stringify({ ...raw32, [name]: value }));
    expect(act).toThrow(FormatError);
    expect(act).toThrow(`preprocessing.${name}: found ${JSON.stringify(value)}, expected `);
  });

  it.each(["resize", "crop", "interpolation", "scale", "mean", "std"])("%s missing", (name) => {
    const act = () => checkPreprocessing({ ...raw32, [name]: undefined });
    expect(act).toThrow(`preprocessing.${name}: found nothing, expected `);
  });

  it.each(["", "{", "[]", "null", "3", '"x"', `"${"x".repeat(1e5)}"`])("%.20s, not an object", (json) => {
    expect(() => readPreprocessing(json)).toThrow(FormatError);
    expect(() => readPreprocessing(json)).toThrow(/^.{0,200}$/);
  });
});

it("anything else is a FormatError too, or a preprocessing that reads back", () => {
  const fields = fc.record(
    { resize: fc.jsonValue(), crop: fc.jsonValue(), mean: fc.jsonValue(), std: fc.jsonValue(), scale: fc.jsonValue() },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fields.map((some) => JSON.stringify({ ...raw32, ...some })),
      ),
      (json) => {
        try {
          const read = readPreprocessing(json);
          expect(readPreprocessing(JSON.stringify(read))).toEqual(read);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      },
    ),
  );
});
