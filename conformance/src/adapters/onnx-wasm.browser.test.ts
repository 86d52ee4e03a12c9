import { onnx } from "@residual/onnx";
import { pictures } from "../testing/pictures.ts";
import { conforms } from "../vitest.ts";

/** onnxruntime-web's CPU: WebAssembly in a worker. */
await conforms(onnx(), {
  models: ["cifar_resnet20", "paddle_unit_s2"],
  without: ["train"], // as in Node
  images: await pictures(50),
});
