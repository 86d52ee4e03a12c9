export * from "./ir/errors.ts";
export {
  type DType,
  sizeOf,
  type Tensor,
  tensor,
  tensorOf,
  toFloat64,
} from "./ir/tensor.ts";
