import type { Graph, ModelName, Tensor } from "@residual/core";
import type { Check, Worst } from "../../report/types.ts";
import { type BackendUnderTest, nothing, type Task } from "../task.ts";
import { argMax } from "./arg-max.ts";

/** Pictures, and a trained model's float64 logits for them from PyTorch. */
export interface ImageSet {
  /** A description of the pictures: `CIFAR-10, the first 2,000 of the test set`. */
  readonly name: string;
  readonly model: ModelName;
  /** The graph with trained weights and an open batch. */
  readonly graph: Graph<"image", "logits">;
  /** The error of PyTorch's own float32 logits: max |d| / max |logit|. A backend may err by ten times as much. */
  readonly relToMax: number;
  readonly batches: () => AsyncIterable<ImageBatch> | Iterable<ImageBatch>;
  /** The number of pictures in all batches, for progress within the batches. */
  readonly count?: number;
}

export interface ImageBatch {
  /** Preprocessed pictures [N, C, H, W]. */
  readonly image: Tensor<"float32">;
  /** PyTorch's logits [N, classes]. */
  readonly logits: Tensor<"float64">;
  readonly labels?: readonly number[];
}

/** Compares the predictions with PyTorch's, image by image. */
export function imageTasks(sets: readonly ImageSet[]): readonly Task[] {
  if (sets.length > 0) {
    return sets.map((set) => ({
      level: "images",
      name: set.model,
      variant: set.name,
      run: (held) => checksOf(held, set),
    }));
  }
  const skipped = "no pictures given: options.images in code, --images on the command line";
  return [{ level: "images", name: "pictures", skipped, run: nothing }];
}

/** One image: the classes, the margin between the two likeliest classes, and the error of the logits. */
interface Seen {
  readonly index: number;
  readonly expected: number;
  readonly found: number;
  /** The difference between PyTorch's two largest logits. */
  readonly margin: number;
  /** The largest error of any logit. */
  readonly error: number;
  readonly worst: Omit<Worst, "bound">;
  readonly label: number | undefined;
}

async function* checksOf(
  { backend, work, onPart }: BackendUnderTest,
  { graph, batches, relToMax, count }: ImageSet,
): AsyncGenerator<Check> {
  await using executable = await backend.compile(graph, work);
  const seen: Seen[] = [];
  let largest = 0;
  for await (const { image, logits, labels } of batches()) {
    const found = await executable.run({ image }, work);
    largest = logits.data.reduce((most, each) => Math.max(most, Math.abs(each)), largest);
    seen.push(...compareRows(found.logits, logits, labels, seen.length));
    if (count !== undefined) onPart(seen.length, count);
  }
  yield predictionsCheck(seen);
  yield logitsCheck(seen, 10 * relToMax * largest);
  for (const each of closest(seen)) yield marginCheck(each);
}

function compareRows(
  found: { readonly shape: readonly number[]; readonly data: (ArrayLike<number> & Float32Array) | Float64Array },
  { shape, data }: Tensor<"float64">,
  labels: readonly number[] | undefined,
  start: number,
): Seen[] {
  const [rows, classes] = shape as [number, number];
  const ours = argMax(found);
  const theirs = argMax({ shape, data });
  return Array.from({ length: rows }, (_, row) => {
    const logits = data.subarray(row * classes, (row + 1) * classes);
    const [first, second] = [...logits].sort((a, b) => b - a) as [number, number];
    const errors = [...logits].map((each, c) => Math.abs(found.data[row * classes + c]! - each));
    const at = errors.reduce((worst, each, c) => (each > errors[worst]! || Number.isNaN(each) ? c : worst), 0);
    const worst = { index: [start + row, at], expected: logits[at]!, found: found.data[row * classes + at]! };
    const common = { index: start + row, expected: theirs[row]!, found: ours[row]!, margin: first - second };
    return { ...common, error: errors[at]!, worst, label: labels?.[row] };
  });
}

function predictionsCheck(seen: readonly Seen[]): Check {
  const wrong = seen.filter(({ expected, found }) => expected !== found);
  const labelled = seen.filter(({ label }) => label !== undefined);
  const right = labelled.filter(({ label, found }) => label === found).length;
  const what = `${seen.length} images${labelled.length > 0 ? `, ${right} right` : ""}`;
  if (wrong.length === 0) return { name: "predictions", passed: seen.length > 0, what };
  const first = wrong.slice(0, 5).map(({ index, expected, found }) => `image ${index} is ${found}, not ${expected}`);
  return { name: "predictions", passed: false, what, message: `${wrong.length} differ: ${first.join("; ")}` };
}

function logitsCheck(seen: readonly Seen[], bound: number): Check {
  const furthest = seen.reduce((worst, each) => (each.error > worst.error || Number.isNaN(each.error) ? each : worst));
  const share = Number.isNaN(furthest.error) ? Infinity : furthest.error / bound;
  const worst = { ...furthest.worst, bound };
  const message = `image ${worst.index[0]}, class ${worst.index[1]}: expected ${worst.expected}, got ${worst.found}`;
  return { name: "logits", passed: share <= 1, share, worst, ...(share <= 1 ? {} : { message }) };
}

const CLOSEST = 10;

function closest(seen: readonly Seen[]): readonly Seen[] {
  return seen.toSorted((a, b) => a.margin - b.margin).slice(0, CLOSEST);
}

/** The class is certain if the margin is more than twice the error: one logit may be too high and the other too low. */
function marginCheck({ index, margin, error, expected, found }: Seen): Check {
  const share = (2 * error) / margin;
  const what = `margin ${margin.toPrecision(3)}`;
  const passed = expected === found && share <= 1;
  const message = `${what}, the logits are off by ${error.toPrecision(3)}: which is larger is chance`;
  return { name: `image ${index}`, passed, share, what, ...(passed ? {} : { message }) };
}
