export { type TfjsOptions, tfjs } from "./backend.ts";
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
export { type Dialect, type GroupedForm, lowerToProgram } from "./lower.ts";
export type { GpuSource, TensorFlowCore } from "./options.ts";
export { formatProgram } from "./print.ts";
export type { Layout, Operation, OperatorName, Operators, Pads, Program, Weight } from "./program.ts";
export type { QuantizationName } from "./quantize.ts";
