export { type TfjsOptions, tfjs } from "./backend.ts";
export type { Dialect, GroupedForm } from "./dialect.ts";
export { type EngineName, engineNames, installOf } from "./dialects.ts";
export {
  type GraphModelFile,
  type GraphModelOptions,
  type GraphModelReport,
  graphModelFiles,
  programFiles,
  type QuantizationReport,
  toGraphModel,
} from "./export.ts";
export { lowerToProgram } from "./lower.ts";
export type { GpuSource, TensorFlowCore, WasmPaths } from "./options.ts";
export { formatProgram } from "./print.ts";
export type {
  Operation,
  OperatorLayout,
  Program,
  ProgramVariable,
  Weight,
} from "./program.ts";
export type { QuantizationName } from "./quantize.ts";
