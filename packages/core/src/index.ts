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
export { type DrawGraphOptions, drawGraph } from "./drawing/draw-graph.ts";
export type { DrawingDepth } from "./drawing/figure.ts";
export type { ThemeName } from "./drawing/theme.ts";
export {
  type FixtureRole,
  type FixtureWeights,
  fill,
  fillRole,
  fillWhole,
  fixtureInput,
  fixtureRolesOf,
  fixtureWeights,
  fnv1a32,
  hashU32,
} from "./fixture.ts";
export type { InputRole, InputRoles } from "./ir/define-op.ts";
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
export {
  constantsOf,
  type Graph,
  graph,
  inputsOf,
  nodesOf,
  parametersOf,
  type Update,
  usesOf,
  valuesOf,
  variablesOf,
} from "./ir/graph.ts";
export { spentAfter } from "./ir/liveness.ts";
export { checkMemory, memoryError } from "./ir/memory.ts";
export { describeValue, shortList, shortText } from "./ir/messages.ts";
export { freeName, mapValues } from "./ir/names.ts";
export { print } from "./ir/print.ts";
export {
  concatenateRows,
  firstNonFinite,
  isFiniteInFloat32,
  isResident,
  isTensor,
  type LazySource,
  type NamedSource,
  permuteAxes,
  type RealArray,
  type RowRange,
  readFloat64,
  readRows,
  readTensor,
  rowSize,
  rowsIn,
  type Source,
  scaleRows,
  zeros,
} from "./ir/source.ts";
export {
  type DType,
  type RealDType,
  type RealTensor,
  sizeOf,
  stridedTensor,
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
  type Leaf,
  named,
  type Pads,
  type Parameter,
  parameter,
  type Shape,
  type Value,
  type Variable,
  variable,
} from "./ir/value.ts";
export { fromJson, type GraphJson, type ToJsonOptions, toJson } from "./json.ts";
export {
  checkPreprocessing,
  type Interpolation,
  interpolations,
  type Preprocessing,
  readPreprocessing,
} from "./models/preprocessing.ts";
export { type ResNetOptions, resnet } from "./models/resnet.ts";
export type { LabelSetName, OutputOf, ResNetSpec, ShortcutName, StemName, ValueNameOf } from "./models/spec.ts";
export { type ModelAlias, type ModelName, modelNameOf, modelNames, variants } from "./models/variants.ts";
export {
  type AttributesOf,
  applyOp,
  type CompositeName,
  evaluateOp,
  type InputsOf,
  is,
  isOpName,
  type Lowering,
  lower,
  type ModelOpName,
  macsOf,
  type Node,
  type OpName,
  opOf,
  ops,
  type PlainOp,
  partsOf,
  rolesOf,
} from "./ops/nodes.ts";
export { softmaxRow } from "./ops/softmax.ts";
export { nodesIn, type OutlineGroup, type OutlinePart, outlineOf, runsOf } from "./outline.ts";
export { bind, type NamedSources } from "./passes/bind.ts";
export { CAM, classActivationMap } from "./passes/class-activation-map.ts";
export { closeBatch } from "./passes/close-batch.ts";
export { type DifferentiateOptions, differentiate, type GradientName } from "./passes/differentiate.ts";
export { foldBatchNorm } from "./passes/fold-batch-norm.ts";
export { foldConstants } from "./passes/fold-constants.ts";
export { fuseEpilogues } from "./passes/fuse-epilogues.ts";
export { optimize } from "./passes/index.ts";
export { pruneAliases } from "./passes/prune-aliases.ts";
export { type Pass, type Rules, rewrite } from "./passes/rewrite.ts";
export { select } from "./passes/select.ts";
export { type TrainableOptions, trainable } from "./passes/trainable.ts";
export { withVariables } from "./passes/with-variables.ts";
export { reference } from "./reference.ts";
export {
  type BackendParts,
  backendOf,
  type Compiled,
  compileOn,
  type Enqueue,
  executableOf,
  type LoadedGraph,
  type RunOptions,
} from "./shell.ts";
export { type LayerSummary, type MemorySummary, type Summary, summarize } from "./summary.ts";
export {
  type AdamwOptions,
  adamw,
  type DecayOptions,
  type Optimizer,
  type OptimizerInputs,
  type SgdOptions,
  sgd,
  type Trained,
} from "./training/optimizers.ts";
export {
  type LossName,
  losses,
  type StepInput,
  type TrainingStepOptions,
  trainingStep,
} from "./training/training-step.ts";
export { version } from "./version.ts";
export { type WinogradPoints, winogradF2, winogradF4 } from "./winograd.ts";
