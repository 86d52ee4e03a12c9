import { checkWhole, type Padding, type Pair, pair, rank4, sides, windowSteps } from "../../ir/define-op.ts";
import { check } from "../../ir/errors.ts";
import { formatShape, type Pads, type Shape } from "../../ir/value.ts";

export interface Conv2dOptions {
  /** Step, in input pixels; one number or [down, right]. */
  readonly stride?: Pair;
  /** Zeros around the input, in pixels; one number or [top, left, bottom, right]. */
  readonly padding?: Padding;
  /** Distance between the taps of the kernel, in input pixels; 1 is a dense kernel. */
  readonly dilation?: Pair;
  /** Number of groups of channels; each group is convolved separately. */
  readonly groups?: number;
}

/** Conv2dOptions in canonical form. */
export type Conv2dAttributes = {
  readonly stride: readonly [number, number];
  readonly padding: Pads;
  readonly dilation: readonly [number, number];
  readonly groups: number;
};

/** The canonical form of the options. */
export function conv2dAttributes({
  stride = 1,
  padding = 0,
  dilation = 1,
  groups = 1,
}: Conv2dOptions): Conv2dAttributes {
  return { stride: pair(stride), padding: sides(padding), dilation: pair(dilation), groups };
}

/** The kinds of the attributes. */
export const conv2dAttributeKinds: {
  readonly stride: "pair";
  readonly padding: "sides";
  readonly dilation: "pair";
  readonly groups: "number";
} = { stride: "pair", padding: "sides", dilation: "pair", groups: "number" };

/** The shape of a convolution's output. Checks C1 to C5 and C7 of conv2d. */
export function conv2dShape(
  { x, weight }: { readonly x: Shape; readonly weight: Shape },
  attributes: Conv2dAttributes,
): readonly [Shape[0] & {}, number, number, number] {
  const { stride, padding, dilation, groups } = attributes;
  const [n, c, h, w] = rank4(x, "conv2d.C1");
  const [outputs, perGroup, kh, kw] = rank4(weight, "conv2d.C2");
  check(typeof outputs === "number", "conv2d.C2", () => `weight ${formatShape(weight)} has an open batch`);
  checkWhole([groups, ...stride, ...dilation], 1, "conv2d.C3", "groups, stride and dilation");
  checkWhole(padding, 0, "conv2d.C3", "padding");
  check(
    perGroup * groups === c,
    "conv2d.C4",
    () => `weight ${formatShape(weight)} in ${groups} groups expects ${perGroup * groups} channels, x has ${c}`,
  );
  check(outputs % groups === 0, "conv2d.C5", () => `${outputs} output channels do not divide into ${groups} groups`);
  const [top, left, bottom, right] = padding;
  const oh = windowSteps(h, top, bottom, dilation[0] * (kh - 1) + 1, stride[0]);
  const ow = windowSteps(w, left, right, dilation[1] * (kw - 1) + 1, stride[1]);
  check(
    oh > 0 && ow > 0,
    "conv2d.C7",
    () => `kernel ${kh}×${kw}, dilation ${dilation}, is larger than the padded x ${formatShape(x)}`,
  );
  return [n, outputs, oh, ow];
}
