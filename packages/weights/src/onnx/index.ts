export { onnxLayout } from "./layout.ts";
