export {
  type Algorithm,
  type Answer,
  type Backend,
  type BackendDescription,
  checkInputs,
  type Deviation,
  type Executable,
  type Progress,
  type Trait,
  traits,
  type WorkOptions,
} from "./backend.ts";
export {
  type FixtureWeights,
  fill,
  fillRole,
  fixtureInput,
  fixtureWeights,
  fnv1a32,
  hashU32,
  type Role,
  rolesOf,
} from "./fixture.ts";
export {
  AbortError,
  abortError,
  BackendUnavailableError,
  check,
  DeviceLostError,
  FormatError,
  OutOfMemoryError,
  ResidualError,
  ShapeError,
  type Signal,
  throwIfAborted,
  UnsupportedError,
  WeightsError,
} from "./ir/errors.ts";
export { roundToFloat16, widenFloat16 } from "./ir/float16.ts";
export { constantsOf, type Graph, graph, inputsOf, nodesOf, parametersOf, usesOf, valuesOf } from "./ir/graph.ts";
export { type Numbers, type NumbersReader, numbersReader, type Rows } from "./ir/numbers.ts";
export { print } from "./ir/print.ts";
export {
  type DType,
  type FileSource,
  type ScaledRows,
  sizeOf,
  type Tensor,
  tensor,
  tensorOf,
  toFloat64,
} from "./ir/tensor.ts";
export {
  type AnyNode,
  type Attribute,
  type Attributes,
  type Constant,
  concrete,
  constant,
  type Dimension,
  formatShape,
  type Input,
  input,
  named,
  type Parameter,
  parameter,
  type Shape,
  type Value,
} from "./ir/value.ts";
export { fromJson, type GraphJson, toJson } from "./json.ts";
export type { Interpolation, Preprocessing } from "./models/preprocessing.ts";
export { type ResNetOptions, resnet } from "./models/resnet.ts";
export type { LabelSetName, OutputOf, ResNetSpec, ShortcutName, StemName } from "./models/spec.ts";
export { type ModelName, modelNameOf, modelNames, variants } from "./models/variants.ts";
export {
  type AttributesOf,
  type InputsOf,
  is,
  type Lowering,
  lower,
  type Node,
  type OpName,
  ops,
} from "./ops/nodes.ts";
export { bind, type NamedTensors } from "./passes/bind.ts";
export { dropDead } from "./passes/drop-dead.ts";
export { foldBatchNorm } from "./passes/fold-batch-norm.ts";
export { foldConstants } from "./passes/fold-constants.ts";
export { fuseEpilogues } from "./passes/fuse-epilogues.ts";
export { optimize } from "./passes/index.ts";
export { type Pass, type Rules, rewrite } from "./passes/rewrite.ts";
export { select } from "./passes/select.ts";
export { reference } from "./reference.ts";
export { type LayerSummary, macsOf, type Summary, summarize } from "./summary.ts";
export { version } from "./version.ts";
