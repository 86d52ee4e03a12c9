import { isTensor, type NamedSource, readRows, rowSize, rowsIn, sizeOf } from "@residual/core";

/** Statistics of a tensor. The first four are undefined if no number is finite. */
export interface Statistics {
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Standard deviation, with the number of elements as divisor. */
  readonly std: number | null;
  /** Numbers that are NaN or infinite. */
  readonly nonFinite: number;
}

/** Numbers in memory at a time. */
const CHUNK = 1 << 17;

/** The numbers of a source as float64, some rows at a time. Throws FormatError if its file has changed. */
async function* chunksOf(source: NamedSource): AsyncGenerator<ArrayLike<number>> {
  if (isTensor(source) && source.dtype !== "float32" && source.dtype !== "float64") {
    yield source.dtype === "int64" ? Array.from(source.data, Number) : source.data;
    return;
  }
  const [count, row] = [rowsIn(source), rowSize(source)];
  if (sizeOf(source.shape) === 0) return;
  const step = Math.max(1, Math.floor(CHUNK / row));
  const memory = new Float64Array(Math.min(step, count) * row);
  for (let first = 0; first < count; first += step) {
    const end = Math.min(first + step, count);
    const numbers = memory.subarray(0, (end - first) * row);
    await readRows(source, numbers, { first, end });
    yield numbers;
  }
}

export async function statisticsOf(source: NamedSource): Promise<Statistics> {
  let [min, max, sum, count, nonFinite] = [Infinity, -Infinity, 0, 0, 0];
  let squares = 0; // of differences from the first number, so that a large mean does not cancel them
  let shift: number | undefined;
  for await (const numbers of chunksOf(source)) {
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i]!;
      if (!Number.isFinite(number)) {
        nonFinite++;
        continue;
      }
      shift ??= number;
      min = Math.min(min, number);
      max = Math.max(max, number);
      sum += number - shift;
      squares += (number - shift) ** 2;
      count++;
    }
  }
  if (count === 0 || shift === undefined) return { min: null, max: null, mean: null, std: null, nonFinite };
  const mean = sum / count;
  return { min, max, mean: shift + mean, std: Math.sqrt(Math.max(0, squares / count - mean ** 2)), nonFinite };
}

/** The differences between two sources of the same shape. */
export interface Change {
  /** Numbers that differ; NaN equals NaN. */
  readonly differing: number;
  /** The largest difference; infinite if one number is finite and the other is not. */
  readonly largest: number;
  /** The root mean square of the differences, divided by that of the first source's numbers. */
  readonly relative: number;
}

export async function changeBetween(a: NamedSource, b: NamedSource): Promise<Change> {
  let [differing, largest, squares, norm] = [0, 0, 0, 0];
  const others = chunksOf(b);
  for await (const ours of chunksOf(a)) {
    const { value: theirs } = (await others.next()) as { readonly value: ArrayLike<number> };
    for (let i = 0; i < ours.length; i++) {
      const [one, other] = [ours[i]!, theirs[i]!];
      norm += one ** 2;
      if (Object.is(one, other) || one === other) continue;
      const difference = Math.abs(one - other);
      differing++;
      largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference);
      squares += difference ** 2;
    }
  }
  const relative = squares === 0 ? 0 : Math.sqrt(squares / norm);
  return { differing, largest, relative: Number.isNaN(relative) ? Infinity : relative };
}
