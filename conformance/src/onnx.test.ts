import { onnx } from "@residual/onnx";
import { conforms } from "./vitest.ts";

/** onnx refuses graphs with variables so far. */
const without = ["behaviour/variables"];

await conforms(onnx(), { only: ["ops", "nodes", "images", "behaviour"], without });
await conforms(onnx(), { level: "full", only: ["models"] });
