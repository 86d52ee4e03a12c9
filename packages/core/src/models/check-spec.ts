import { check } from "../ir/errors.ts";
import { describeValue, shortList, shortText } from "../ir/messages.ts";
import { formatShape, type Shape } from "../ir/value.ts";
import { blockOf } from "./layers.ts";
import { checkPreprocessing } from "./preprocessing.ts";
import { shortcutNames } from "./shortcut.ts";
import type { ResNetSpec } from "./spec.ts";
import { stemNames } from "./stem.ts";

interface Field {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

/** The most stages: published networks have 3 to 5. More are a mistake or an attack. */
const MOST_STAGES = 8;
/** The most blocks in all stages together: the deepest published network has 600. Each takes time to build. */
const MOST_BLOCKS = 2000;
/** The most channels of a convolution. */
export const MOST_CHANNELS = 65_536;
/** The most classes, input channels, and pixels of a side. */
const MOST = 1 << 24;

const isWhole = (value: unknown, least: number, most = MOST): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

const whole = (least: number, most = MOST): Field => ({
  expected: `a whole number from ${least} to ${most}`,
  holds: (value) => isWhole(value, least, most),
});
const wholes = (most: number): Field => ({
  expected: `whole numbers from 1 to ${most}, one for each of 1 to ${MOST_STAGES} stages`,
  holds: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MOST_STAGES &&
    value.every((each) => isWhole(each, 1, most)),
});
const oneOf = (...names: readonly unknown[]): Field => ({
  expected: names.join(" or "),
  holds: (value) => names.includes(value),
});
const number = (expected: string, holds: (value: number) => boolean): Field => ({
  expected,
  holds: (value) => typeof value === "number" && Number.isFinite(value) && holds(value),
});
const flag = oneOf(true, false);
/** One value, or a list with a value for each stage. */
const eachStage = (field: Field): Field => ({
  expected: `${field.expected}, or one for each stage`,
  holds: (value) => (Array.isArray(value) ? value.length > 0 && value.every(field.holds) : field.holds(value)),
});

/** The values that each field of a spec may have. */
const fields: { readonly [Name in keyof Required<ResNetSpec>]: Field } = {
  block: eachStage(oneOf("basic", "bottleneck")),
  depths: wholes(MOST_BLOCKS),
  groups: whole(1),
  widthPerGroup: whole(1),
  width: eachStage(whole(1, MOST_CHANNELS)),
  growth: number("a number above 0", (value) => value > 0),
  narrowing: number("a number from 1 on", (value) => value >= 1),
  strides: wholes(MOST),
  strideIn: oneOf("first", "last"),
  strideOn: oneOf("conv1", "conv2"),
  stem: oneOf(...stemNames, "none"),
  shortcut: oneOf(...shortcutNames),
  preActivation: flag,
  squeeze: number("a number from 1 on", (value) => value >= 1),
  classes: whole(0),
  softmax: flag,
  inputChannels: whole(1),
  size: whole(1),
  preprocessing: { expected: "preprocessing", holds: (value) => checkPreprocessing(value) !== undefined },
  labels: {
    expected: "imagenet, cifar10, cifar100 or a list of names",
    holds: (value) =>
      value === "imagenet" ||
      value === "cifar10" ||
      value === "cifar100" ||
      (Array.isArray(value) && value.every((label) => typeof label === "string")),
  },
  bias: oneOf(true, false, "unnormalized", "pointwise"),
  epsilon: number("a number from 0 on", (value) => value >= 0),
  padding: oneOf("same"),
  reluAfterAdd: flag,
  transition: flag,
  blockNames: oneOf("layer", "res", "block", "blocks"),
};

/** Throws ShapeError for a spec that `resnet` cannot build; its docstring has the labels. */
export function checkSpec(spec: ResNetSpec): void {
  check(
    typeof spec === "object" && spec !== null && !Array.isArray(spec),
    "resnet.R1",
    `expected a spec such as variants.resnet50, found ${describeValue(spec)}`,
  );
  const given = new Map<string, unknown>(Object.entries(spec));
  const unknown = [...given.keys()].filter((name) => !Object.hasOwn(fields, name));
  const known = Object.keys(fields).join(", ");
  check(unknown.length === 0, "resnet.R1", `a spec has no field ${shortList(unknown)}; it has ${known}`);
  for (const [name, { expected, holds }] of Object.entries<Field>(fields)) {
    const value = given.get(name);
    const isLeftOut = value === undefined && name !== "block" && name !== "depths";
    check(isLeftOut || holds(value), "resnet.R1", `${name} is ${shown(value)}, expected ${expected}`);
  }
  checkTogether(spec);
}

/** Checks of fields that are valid one by one, but not together. */
function checkTogether(spec: ResNetSpec): void {
  const { depths, strides, groups = 1, widthPerGroup = 64, narrowing = 1, classes = 1000 } = spec;
  for (const [name, list] of Object.entries({ strides, block: spec.block, width: spec.width })) {
    const isOfStages = !Array.isArray(list) || list.length === depths.length;
    const found = Array.isArray(list) ? list.length : 1;
    check(isOfStages, "resnet.R2", `${found} ${name} for the ${depths.length} stages of depths`);
  }
  const blocks = depths.reduce((sum, depth) => sum + depth, 0);
  check(blocks <= MOST_BLOCKS, "resnet.R2", `depths are ${blocks} blocks in all, expected at most ${MOST_BLOCKS}`);
  const kinds = depths.map((_, stage) => blockOf(spec, stage));
  const hasBottleneck = kinds.includes("bottleneck");
  check(
    strides === undefined || !spec.transition,
    "resnet.R2",
    "a transition takes the step, so strides have no effect; leave one of them out",
  );
  check(
    !Array.isArray(spec.width) || spec.growth === undefined,
    "resnet.R2",
    "width is a list, so growth has no effect; leave one of them out",
  );
  const isPlain = groups === 1 && widthPerGroup === 64 && narrowing === 1;
  const narrowed = narrowing === 1 ? "" : `, narrowing ${narrowing}`;
  const found = `groups ${groups} and widthPerGroup ${widthPerGroup}${narrowed}`;
  check(hasBottleneck || isPlain, "resnet.R3", `${found} are for a bottleneck; a basic block has 1 and 64`);
  check(hasBottleneck || spec.strideOn !== "conv2", "resnet.R3", "the first 3×3 of a basic block is conv1");
  for (const name of ["squeeze", "reluAfterAdd"] as const) {
    const isUsed = spec[name] === undefined || !spec.preActivation;
    check(isUsed, "resnet.R4", `${name} has no effect with preActivation; leave one of them out`);
  }
  check(classes > 0 || !spec.softmax, "resnet.R5", "a softmax needs classes, found 0");
}

/** Throws for an image with axes in another order, or with another number of channels than the spec's. */
export function checkInput(spec: ResNetSpec, shape: Shape): void {
  const isImage =
    Array.isArray(shape) &&
    shape.length === 4 &&
    shape.every((size, axis) => (axis === 0 && size === "N") || isWhole(size, 1, Number.MAX_SAFE_INTEGER));
  const expected = `expected [batch, channels, height, width], the batch "N" or a number`;
  check(isImage, "resnet.R7", `input is ${shown(shape)}, ${expected}`);
  const [n, c, h, w] = shape as [Shape[number], number, number, number];
  const { inputChannels = 3 } = spec;
  const isLast = isOfPicture(w) && !isOfPicture(c) && Math.min(c, h) > 4 * w;
  check(
    c === inputChannels || !isLast,
    "resnet.R8",
    `input ${formatShape(shape)} has ${c} channels; images are [batch, channels, height, width]: ` +
      `for pictures of ${c}×${h} pixels give ${formatShape([n, w, c, h])}`,
  );
  check(
    c === inputChannels || spec.inputChannels === undefined,
    "resnet.R8",
    `input ${formatShape(shape)} has ${c} channels, inputChannels is ${inputChannels}; leave one of them out`,
  );
}

/** Grey, colour, or colour with alpha. */
function isOfPicture(channels: number): boolean {
  return channels === 1 || channels === 3 || channels === 4;
}

function shown(value: unknown): string {
  return Array.isArray(value) && value.length <= 10
    ? `[${shortList(value.map((each) => (typeof each === "number" ? each : shown(each))))}]`
    : typeof value === "number" || typeof value === "string"
      ? shortText(String(value), 60)
      : describeValue(value);
}
