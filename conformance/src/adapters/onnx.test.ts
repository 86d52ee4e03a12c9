import { onnx } from "@residual/onnx";
import { heldModels } from "../testing/held-goldens.ts";
import { conforms } from "../vitest.ts";

await conforms(onnx(), { only: ["ops", "nodes", "images", "behaviour"] });
await conforms(onnx(), { level: "full", only: ["models"], ...(await heldModels()) });
