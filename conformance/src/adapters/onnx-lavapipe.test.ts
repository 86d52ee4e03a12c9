import { useLavapipe } from "@residual/kit/testing/lavapipe";
import { onnx } from "@residual/onnx";
import { it } from "vitest";
import { later } from "../testing/later.ts";
import { pictures } from "../testing/pictures.ts";
import { conforms } from "../vitest.ts";

/** Each shape takes a shader, some of them a second. */
const slow = later("ops/PyTorch's answers", "behaviour/life");

const missing = await useLavapipe("onnx on webgpu");
if (missing === undefined) {
  await conforms(onnx({ device: "webgpu" }), {
    // What level train finds on this device is in docs/conformance.md.
    without: ["ops/layers of the family", "train", ...slow],
    models: ["cifar_resnet20", "paddle_unit_s2", "resnet18"],
    images: await pictures(50),
  });
} else {
  // Vitest fails a file without tests. So this test is skipped with the reason. .ci/run installs the driver.
  it("conforms on lavapipe", ({ skip }) => skip(missing));
}
