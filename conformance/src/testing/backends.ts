import { type Backend, reference } from "@residual/core";
import { onnx } from "@residual/onnx";

/** The backends that the suite compares with the goldens, by name. */
export const backends: { readonly [name: string]: Backend } = { reference, onnx: onnx() };
