import type { ValueFacts } from "./facts.ts";

/** An op's name in words. */
const names: { readonly [op: string]: string } = {
  input: "the network's input",
  conv2d: "convolution",
  fusedConv2d: "fused convolution",
  batchNorm: "batch normalization",
  relu: "ReLU",
  sigmoid: "sigmoid",
  add: "sum",
  multiply: "product",
  maxPool2d: "max pool",
  averagePool2d: "mean pool",
  globalAveragePool: "global mean pool",
  linear: "fully connected layer",
  flatten: "flatten",
  softmax: "softmax",
  logSoftmax: "log softmax",
  subsample: "subsample",
  padChannels: "zero channels",
  zeroPad2d: "zero padding",
};

export function opWords({ op, kernel }: Pick<ValueFacts, "op" | "kernel">): string {
  const name = names[op] ?? op;
  return kernel ? `${kernel.join(" × ")} ${name}` : name;
}

/** `1 × 16 × 32 × 32` */
export const shapeWords = (shape: readonly number[]): string => shape.join(" × ");

const counts = new Intl.NumberFormat("en-GB");

/** `2,320`, or `1.18 M` from a million on. */
export function countWords(count: number): string {
  if (count < 1e6) return counts.format(count);
  return count < 1e9 ? `${(count / 1e6).toPrecision(3)} M` : `${(count / 1e9).toPrecision(3)} G`;
}

export function byteWords(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  const power = bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10);
  const size = bytes / 1024 ** power;
  return `${power === 0 ? size : size.toPrecision(3)} ${units[power]}`;
}

/** A number with a true minus sign, in few or in all digits. */
export function numberWords(value: number, digits = 3): string {
  if (value === 0) return "0";
  const isPlain = Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5;
  const text = isPlain ? Number(value.toPrecision(digits)).toString() : value.toExponential(Math.min(digits, 3) - 1);
  return text.replaceAll("-", "−");
}

/** A number in the five characters that a cell has room for: `.078`, `−1.4`, `12`. */
export function cellWords(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size < 0.1 ? 3 : size < 1 ? 2 : size < 10 ? 1 : 0;
  return size < 1e4 ? signed(value.toFixed(digits)).replace("0.", ".") : numberWords(value, 1);
}

/** A float32 number with all of the digits that distinguish it. */
export const float32Words = (value: number): string => signed(value.toPrecision(9));
export const float64Words = (value: number): string => signed(value.toPrecision(15));
const signed = (text: string): string => text.replaceAll("-", "−");

export function percentWords(share: number): string {
  const percent = 100 * share;
  if (percent === 0) return "0 %";
  return `${percent < 0.1 ? "< 0.1" : percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** What a screen reader says of a box: the layers in it, and what they cost. */
export function boxWords(box: readonly ValueFacts[]): string {
  const last = box.at(-1)!;
  const sum = (count: (value: ValueFacts) => number) => box.reduce((total, value) => total + count(value), 0);
  const [parameters, macs] = [sum((value) => value.parameters), sum((value) => value.macs)];
  const layers =
    box.length <= 4
      ? box.map((value) => `${value.name}, ${opWords(value)}`).join("; ")
      : `${box.length} layers, ${box[0]!.name} to ${last.name}`;
  const costs = [
    ...(parameters > 0 ? [`${countWords(parameters)} parameters`] : []),
    ...(macs > 0 ? [`${countWords(macs)} multiply-adds`] : []),
  ];
  return [`${layers}: ${shapeWords(last.shape.slice(1))}`, ...costs].join(", ");
}

export const connectionWords = ({ name, shape }: ValueFacts): string =>
  `connection that carries ${name}, ${shapeWords(shape.slice(1))}`;
