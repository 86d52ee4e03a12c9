import { onnx } from "@residual/onnx";
import { conforms } from "./vitest.ts";

await conforms(onnx());
await conforms(onnx(), { level: "full", only: ["models"] });
