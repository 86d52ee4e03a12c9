import { webgpu } from "@residual/webgpu";
import { later } from "../testing/later.ts";
import { pictures } from "../testing/pictures.ts";
import { conforms } from "../vitest.ts";

/** The same levels as in Node (webgpu.test.ts), with the same kernels, on the browser's own WebGPU. */
await conforms(webgpu({ tuning: "warm" }), {
  models: ["cifar_resnet20", "paddle_unit_s2"],
  images: await pictures(50),
  without: ["train", ...later("ops/layers of the family")], // as in Node
});
