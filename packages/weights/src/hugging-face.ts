import {
  describeValue,
  FormatError,
  type Interpolation,
  modelNameOf,
  modelNames,
  type ResNetSpec,
  UnsupportedError,
  variants,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import type { Configuration } from "./configuration.ts";
import { parseJson } from "./json-reader.ts";
import { isNumber, isRecord } from "./json-values.ts";
import type { Weights } from "./weights.ts";

/**
 * Adds the facts in configuration files to the weights' metadata: `model` or `spec`, `classes`, `preprocessing`,
 * `activation`. Metadata of the weights take precedence. `config` and `preprocessor` are the files of transformers;
 * timm writes only `config`. A configuration of another program is ignored.
 *
 * Throws FormatError for malformed configurations, UnsupportedError for a ResNet that `resnet` cannot build.
 */
export function withConfiguration(weights: Weights, config?: Configuration, preprocessor?: Configuration): Weights {
  const notes: string[] = [];
  const metadata = {
    ...(preprocessor && preprocessorMetadata(objectOf(preprocessor), notes)),
    ...(config && configMetadata(objectOf(config), notes)),
    ...weights.metadata,
  };
  return weights.withMetadata(metadata, notes);
}

/** An object in a configuration, with its path for messages. */
interface JsonPart {
  readonly file: string;
  readonly path: string;
  readonly fields: ReadonlyMap<string, unknown>;
}

function objectOf({ file, text }: Configuration): JsonPart {
  const value = parseJson(text, (found, cause) => {
    throw new FormatError(`${file}: found ${found}; download it again`, { cause });
  });
  return partOf(file, "", value);
}

function partOf(file: string, path: string, value: unknown): JsonPart {
  if (isRecord(value)) return { file, path, fields: new Map(Object.entries(value)) };
  return refuse({ file, path }, "", value, "an object");
}

function refuse(
  { file, path }: Pick<JsonPart, "file" | "path">,
  field: string,
  found: unknown,
  expected: string,
): never {
  const where = [path, field].filter((part) => part !== "").join(".");
  throw new FormatError(
    `${file}: ${where === "" ? "" : `${where}: `}found ${describeValue(found)}, expected ${expected}`,
  );
}

/** The value of a field; undefined if the field is missing or null. */
function read<T>(
  part: JsonPart,
  field: string,
  expected: string,
  holds: (value: unknown) => value is T,
): T | undefined {
  const value = part.fields.get(field);
  if (value === undefined || value === null) return undefined;
  return holds(value) ? value : refuse(part, field, value, expected);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isFlag = (value: unknown): value is boolean => typeof value === "boolean";
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
const areCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every(isCount);
const areThree = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length === 3 && value.every(isNumber);
const areStd = (value: unknown): value is number[] => areThree(value) && value.every((each) => Math.fround(each) > 0);
const isFactor = (value: unknown): value is number =>
  isNumber(value) && Math.fround(scaleOf(value)) > 0 && Number.isFinite(Math.fround(scaleOf(value)));
const isFraction = (value: unknown): value is number => isNumber(value) && value > 0 && value <= 1;

type Metadata = {
  readonly model?: string;
  readonly spec?: string;
  readonly classes?: string;
  readonly preprocessing?: string;
  readonly activation?: string;
};

function configMetadata(config: JsonPart, notes: string[]): Metadata {
  const architecture = read(config, "architecture", "a name", isText);
  if (architecture !== undefined) return timmMetadata(config, architecture, notes);
  if (config.fields.get("model_type") !== "resnet") return {};
  return {
    ...modelMetadata(transformersSpec(config)),
    ...classMetadata(config, "id2label"),
    ...problemMetadata(config),
  };
}

/**
 * The meaning of the logits, as metadata. Source: huggingface/transformers (00cbbe53), loss/loss_utils.py,
 * ForSequenceClassificationLoss.
 */
function problemMetadata(config: JsonPart): Metadata {
  const problem = read(config, "problem_type", "a name", isText) ?? "single_label_classification";
  if (problem === "single_label_classification") return {};
  if (problem === "multi_label_classification") return { activation: "sigmoid" };
  if (problem === "regression") return { activation: "linear" }; // linear: no softmax
  return refuse(
    config,
    "problem_type",
    problem,
    "single_label_classification, multi_label_classification or regression",
  );
}

/**
 * Labels by index: a list, or an object with the keys "0", "1", …. The default labels of transformers (`LABEL_0`, …)
 * are not names of classes, and are ignored.
 */
function classMetadata(part: JsonPart, field: string): Metadata {
  const given = part.fields.get(field);
  if (given === undefined || given === null) return {};
  const list: readonly unknown[] = Array.isArray(given) ? given : listOf(partOf(part.file, field, given));
  if (list.every((label) => isText(label) && /^LABEL_\d+$/.test(label))) return {};
  const wrong = list.find((label) => !isText(label));
  if (wrong !== undefined) refuse(part, field, wrong, "a name for each class");
  return { classes: JSON.stringify(list) };
}

function listOf(labels: JsonPart): readonly unknown[] {
  return Array.from(labels.fields, (_, index) => {
    const label = labels.fields.get(String(index));
    return label ?? refuse(labels, String(index), label, "a label, as each index from 0 on has one");
  });
}

/**
 * The structure in a configuration of transformers, with its defaults. Source: huggingface/transformers (commit
 * 00cbbe53), models/resnet/configuration_resnet.py.
 */
function transformersSpec(config: JsonPart): ResNetSpec {
  const depths = read(config, "depths", "whole numbers from 1", areCounts) ?? [3, 4, 6, 3];
  const sizes = read(config, "hidden_sizes", "whole numbers from 1", areCounts) ?? [256, 512, 1024, 2048];
  const stem = read(config, "embedding_size", "a whole number from 1", isCount) ?? 64;
  const kind = read(config, "layer_type", "a name", isText) ?? "bottleneck";
  if (kind !== "basic" && kind !== "bottleneck") refuse(config, "layer_type", kind, "basic or bottleneck");
  if (sizes.length !== depths.length) refuse(config, "hidden_sizes", sizes, `${depths.length} numbers, as depths has`);
  const activation = read(config, "hidden_act", "a name", isText) ?? "relu";
  const width = sizes.map((size) => (kind === "bottleneck" ? size / 4 : size));
  const isPlain = activation === "relu" && width.every(isCount) && stem === width[0];
  if (!isPlain)
    throw new UnsupportedError(
      `${config.file}: found hidden_act ${activation}, embedding_size ${stem} and ` +
        `hidden_sizes ${sizes.join(", ")} of ${kind} blocks, ` +
        `expected relu, and a stem as wide as the first blocks inside (${width[0]})`,
    );
  const isV1 = read(config, "downsample_in_bottleneck", "true or false", isFlag) ?? false;
  const stepsFirst = read(config, "downsample_in_first_stage", "true or false", isFlag) ?? false;
  const channels = read(config, "num_channels", "a whole number from 1", isCount) ?? 3;
  return {
    block: kind,
    depths,
    ...(width.every((planes, i) => planes === 64 << i) ? {} : { width }),
    ...(stepsFirst && { strides: depths.map(() => 2) }),
    ...(isV1 && kind === "bottleneck" && { strideOn: "conv1" }),
    ...(channels !== 3 && { inputChannels: channels }),
  };
}

/** The name of the row with this structure, or the structure itself if no row has it. */
function modelMetadata(spec: ResNetSpec): Metadata {
  const model = modelNames.find((name) => structureOf(variants[name]) === structureOf(spec));
  return model ? { model } : { spec: JSON.stringify(spec) };
}

/** Fields that do not describe the structure, or that follow from the weights. */
const besides: ReadonlySet<string> = new Set<keyof ResNetSpec>(["preprocessing", "labels", "inputChannels"]);

function structureOf(spec: ResNetSpec): string {
  const fields = Object.entries(spec).filter(([field]) => !besides.has(field));
  return JSON.stringify(fields.toSorted(([a], [b]) => a.localeCompare(b)));
}

/**
 * The metadata in the configuration that timm uploads to the hub. Source: huggingface/pytorch-image-models (commit
 * aa4b5850), models/_hub.py.
 */
function timmMetadata(config: JsonPart, model: string, notes: string[]): Metadata {
  const recipe = config.fields.get("pretrained_cfg");
  const part = recipe === undefined || recipe === null ? config : partOf(config.file, "pretrained_cfg", recipe);
  const labels = { ...classMetadata(part, "label_names"), ...classMetadata(config, "label_names") };
  if (modelNameOf(model) === undefined) return { model, ...labels };
  checkArguments(config, model);
  return { model, ...labels, ...timmPreprocessing(part, notes) };
}

/**
 * The arguments of timm's ResNets that follow from the weights, or matter only in training. Each has a check of its
 * value.
 */
const plainArguments: Readonly<Record<string, (value: unknown) => boolean>> = {
  num_classes: () => true,
  in_chans: () => true,
  drop_rate: () => true,
  drop_path_rate: () => true,
  drop_block_rate: () => true,
  zero_init_last: () => true,
  global_pool: (value) => value === "avg",
  output_stride: (value) => value === 32,
  act_layer: (value) => value === "relu",
};

/**
 * Refuses arguments that change the computation but not the tensors. Source: huggingface/pytorch-image-models (commit
 * aa4b5850), models/resnet.py, `ResNet.__init__`.
 */
function checkArguments(config: JsonPart, model: string): void {
  const given = config.fields.get("model_args") ?? {};
  const { fields } = partOf(config.file, "model_args", given);
  const pool = config.fields.get("global_pool") ?? "avg";
  const settings = Array.from(fields, ([name, value]) => [`model_args.${name}`, name, value] as const);
  for (const [path, name, value] of [...settings, ["global_pool", "global_pool", pool] as const]) {
    if (Object.hasOwn(plainArguments, name) && plainArguments[name]!(value)) continue;
    throw new UnsupportedError(
      `${config.file}: ${shown(path)}: found ${describeValue(value)}, ` +
        `expected the network that timm makes of ${model} without it: ` +
        "none with other arguments is here",
    );
  }
}

/** The preprocessing at the size of the published accuracy (`test_input_size`), if the configuration has one. */
function timmPreprocessing(part: JsonPart, notes: string[]): Metadata {
  const size = read(part, "test_input_size", "3 numbers", areThree) ?? read(part, "input_size", "3 numbers", areThree);
  if (!size) return {};
  const [channels, height, width] = size;
  if (channels !== 3 || height !== width)
    return putAside(part, part.fields.has("test_input_size") ? "test_input_size" : "input_size", notes);
  if ((read(part, "crop_mode", "a name", isText) ?? "center") !== "center") return putAside(part, "crop_mode", notes);
  const fraction =
    read(part, "test_crop_pct", "a number up to 1", isFraction) ??
    read(part, "crop_pct", "a number up to 1", isFraction);
  const interpolation = read(part, "interpolation", "a name", isText) ?? "bilinear";
  if (!isInterpolation(interpolation)) refuse(part, "interpolation", interpolation, "a filter of Pillow");
  const crop = width!;
  const preprocessing = {
    resize: Math.floor(crop / (fraction ?? 0.875)),
    crop,
    interpolation,
    scale: 255,
    mean: read(part, "mean", "3 numbers", areThree) ?? [0.485, 0.456, 0.406],
    std: read(part, "std", "3 numbers above 0", areStd) ?? [0.229, 0.224, 0.225],
  };
  return { preprocessing: JSON.stringify(preprocessing) };
}

/** Pillow's filters in the order of their numbers. */
const filters: readonly Interpolation[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

const isInterpolation = (name: string): name is Interpolation => (filters as readonly string[]).includes(name);

/**
 * The preprocessing of transformers' image processors. ConvNext's resizes to size / crop_pct and crops to size. Others
 * crop to `crop_size`. Processors without a crop stretch the whole picture to a square, which Residual does not do: the
 * centre of the picture is taken instead, with a note. A processor with further steps is ignored; a note names the
 * step's field. Source: huggingface/transformers (commit 00cbbe53), models/convnext/image_processing_convnext.py.
 */
function preprocessorMetadata(part: JsonPart, notes: string[]): Metadata {
  const other = otherStep(part);
  if (other !== undefined) return putAside(part, other, notes);
  const cropped = sidesOf(part);
  const sides = cropped ?? squashed(part);
  if (!sides) {
    notes.push(
      `${part.file} asks for pictures that are not squares, which is not supported; its preprocessing is ignored`,
    );
    return {};
  }
  if (!cropped)
    notes.push(
      `${part.file} squashes pictures into ${sides.crop}×${sides.crop} pixels, which is not done here: the shorter ` +
        "side becomes so long, and the middle is cut out; its filter, scale, mean and std are taken",
    );
  const resample = read(part, "resample", "0 to 5", isNumber) ?? 2;
  const interpolation = filters[resample] ?? refuse(part, "resample", resample, "0 to 5");
  const isScaled = read(part, "do_rescale", "true or false", isFlag) ?? true;
  const isNormalized = read(part, "do_normalize", "true or false", isFlag) ?? true;
  const factor = read(part, "rescale_factor", "a number above 0", isFactor) ?? 1 / 255;
  const preprocessing = {
    ...sides,
    interpolation,
    scale: isScaled ? scaleOf(factor) : 1,
    mean: isNormalized ? (read(part, "image_mean", "3 numbers", areThree) ?? [0.485, 0.456, 0.406]) : [0, 0, 0],
    std: isNormalized ? (read(part, "image_std", "3 numbers above 0", areStd) ?? [0.229, 0.224, 0.225]) : [1, 1, 1],
    ...(flag(part, FLIP) && { channels: "bgr" }),
  };
  return { preprocessing: JSON.stringify(preprocessing) };
}

/** The scale of a factor such as 1 / 255, without the rounding error of the stored float. */
const scaleOf = (factor: number): number => Math.round(1e6 / factor) / 1e6;

/** Adds a note that the processor's step in `field` is not supported, so that the preprocessing is a guess. */
function putAside(part: JsonPart, field: string, notes: string[]): Metadata {
  const where = [part.path, field].filter((each) => each !== "").join(".");
  const found = describeValue(part.fields.get(field));
  notes.push(
    `${part.file} has ${shown(where)}: ${found}, which is not done here; nothing of its preprocessing is taken`,
  );
  return {};
}

const flag = (part: JsonPart, field: string): boolean | undefined => read(part, field, "true or false", isFlag);

/** The steps of a processor that `preprocessing` can express. */
const steps: ReadonlySet<string> = new Set([
  "do_resize",
  "do_center_crop",
  "do_rescale",
  "do_normalize",
  "do_convert_rgb",
]);

/** The first field with a step or a size that `preprocessing` cannot express; undefined if there is none. */
function otherStep(part: JsonPart): string | undefined {
  const { fields } = part;
  if (flag(part, "do_resize") === false) return "do_resize";
  // the mean and std of `preprocessing` are always in the order red, green, blue
  const isKnown = (name: string) => steps.has(name) || (name === FLIP && flag(part, "do_normalize") === false);
  const step = Array.from(fields.keys()).find(
    (name) => /^(do_|rescale_offset$|offset$)/.test(name) && fields.get(name) === true && !isKnown(name),
  );
  if (step !== undefined) return step;
  if (isConvNext(part)) return undefined; // ConvNext's reads neither crop_size nor do_center_crop
  if ((fields.get("crop_pct") ?? undefined) !== undefined) return "crop_pct";
  const [size, crop] = [sizesOf(part, "size"), sizesOf(part, "crop_size")];
  if (size?.has("longest_edge")) return "size";
  if (flag(part, "do_center_crop") === false) return size?.has("shortest_edge") ? "do_center_crop" : undefined;
  if (crop && crop.get("height") !== crop.get("width")) return "crop_size";
  const isCropped = (fields.get("crop_size") ?? undefined) !== undefined;
  return isCropped && size?.has("height") ? "crop_size" : undefined;
}

const FLIP = "do_flip_channel_order";

/** The sides in a size field; undefined if the field is not an object. */
function sizesOf(part: JsonPart, field: string): ReadonlyMap<string, unknown> | undefined {
  const value = part.fields.get(field);
  if (value === undefined || value === null || isCount(value)) return undefined;
  return partOf(part.file, field, value).fields;
}

function processorOf(part: JsonPart): string {
  const type = part.fields.get("image_processor_type") ?? part.fields.get("feature_extractor_type");
  return isText(type) ? type : "";
}

const isConvNext = (part: JsonPart): boolean => processorOf(part).startsWith("ConvNext");

/** In pixels. ConvNext's processors crop to sizes below this, and stretch pictures to larger sizes. */
const CROPPED_BELOW = 384;

function sidesOf(part: JsonPart): { readonly resize: number; readonly crop: number } | undefined {
  const size = sideOf(part, "size", "shortest_edge");
  if (size === undefined) return undefined;
  if (isConvNext(part)) {
    const fraction = read(part, "crop_pct", "a number up to 1", isFraction) ?? 224 / 256;
    return size < CROPPED_BELOW ? { resize: Math.floor(size / fraction), crop: size } : undefined;
  }
  const crop = sideOf(part, "crop_size", "height");
  if (crop === undefined || flag(part, "do_center_crop") === false) return undefined;
  const isLevit = processorOf(part).startsWith("Levit");
  return { resize: isLevit ? Math.floor((256 / 224) * size) : size, crop };
}

/** The central crop that replaces stretching the whole picture to a square; undefined if the size is not square. */
function squashed(part: JsonPart): { readonly resize: number; readonly crop: number } | undefined {
  const height = sideOf(part, "size", "height");
  const isSquare = height === sideOf(part, "size", "width");
  const side = (isSquare ? height : undefined) ?? sideOf(part, "size", "shortest_edge");
  return side === undefined ? undefined : { resize: side, crop: side };
}

/** The size in a field: a plain number, as in older files, or the entry `side` of an object. */
function sideOf(part: JsonPart, field: string, side: string): number | undefined {
  const value = part.fields.get(field);
  if (value === undefined || value === null || isCount(value)) return value ?? undefined;
  return read(partOf(part.file, field, value), side, "a whole number from 1", isCount);
}
