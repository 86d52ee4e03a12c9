import {
  FormatError,
  sizeOf,
  type Tensor,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
  widenFloat16,
} from "@residual/core";
import { decodeTensor } from "../decode-tensor.ts";
import { quote } from "../json-reader.ts";
import type { FormatReader, Stretch, WeightsLayout } from "../layout.ts";
import { nameByGraph } from "../network/identify.ts";
import type { Constant } from "../network/values.ts";
import type { OpenFile } from "../open-file.ts";
import { readTfjsModel, type TfjsWeight, weightBytes } from "./model.ts";
import { networkOf } from "./network.ts";
import { nameOwn } from "./own.ts";

/**
 * The most files of a model, all of which are open at once. A model of 4 GiB in TensorFlow.js's shards has this number.
 */
const MOST_FILES = 1024;

/**
 * The layout of a TensorFlow.js model. Weights have their names in model.json: those of Keras' variables in a layers
 * model, those of nodes in a graph model. A weight that is stored unchanged in one file stays in the file; a weight
 * that is quantized or spans several files is assembled in memory.
 *
 * Throws FormatError for files that are damaged, too short or in another folder; WeightsError for a missing file.
 */
export const tfjsLayout: FormatReader = async (file, options) => {
  const { groups, metadata, nodes, isOwn } = await readTfjsModel(file);
  const stretches: Stretch[] = [];
  const made = new Map<string, Tensor>();
  const known = new Map<string, Pick<Constant, "shape" | "numbers">>();
  const all = groups.flatMap(({ weights }) => weights);
  const order = all.map(({ name }) => name);
  const paths = groups.flatMap((group) => group.paths);
  if (new Set(paths).size < paths.length || paths.length > MOST_FILES)
    throw new FormatError(
      `${file.name}: it names ${paths.length} files, ${new Set(paths).size} of them once, ` +
        `expected at most ${MOST_FILES}, each once`,
    );
  for (const group of groups) {
    const bytes = new JoinedFiles(file, await openAll(file, group.paths, options));
    bytes.checkLength(group.weights.reduce((sum, weight) => sum + weightBytes(weight), 0));
    let at = 0;
    for (const weight of group.weights) {
      const { name, dtype, shape, quantization } = weight;
      const length = weightBytes(weight);
      const place = quantization ? undefined : bytes.placeOf(at, length);
      if (place) {
        stretches.push({ ...place, entries: [{ name, dtype, shape, begin: 0, end: length }] });
      } else {
        throwIfAborted(options.signal);
        made.set(name, restored(weight, await bytes.read(at, length), file.name));
      }
      at += length;
      const size = sizeOf(shape);
      const numbers =
        size <= MOST_SMALL ? await numbersOf(weight, () => bytes.read(at - length, length), file.name) : undefined;
      known.set(name, { shape, numbers });
    }
  }
  const constants = nodes && new Set(all.filter(isOperand).map(({ name }) => name));
  const network = nodes && !isOwn ? networkOf(nodes, known) : undefined;
  const named: WeightsLayout["follow"] = network && ((...tensors) => nameByGraph(network, file.name, ...tensors));
  const follow: WeightsLayout["follow"] = isOwn ? (tensors, metadata) => nameOwn(file.name, tensors, metadata) : named;
  return { stretches, made, order, metadata, ...(constants && { constants }), ...(follow && { follow }) };
};

/**
 * Whether a constant of a graph is an operand, such as axes, sizes or a padding value. Parameters are float tensors
 * with at least one axis.
 */
function isOperand({ dtype, shape }: TfjsWeight): boolean {
  return dtype !== "F32" || shape.length === 0;
}

/** Tensors with at most this many numbers may be parameters of an operator: axes, paddings, an order of axes. */
const MOST_SMALL = 16;

async function numbersOf(
  weight: TfjsWeight,
  read: () => Promise<Uint8Array>,
  file: string,
): Promise<readonly number[]> {
  return Array.from<number | bigint, number>(restored(weight, await read(), file).data, Number);
}

async function openAll(file: OpenFile, paths: readonly string[], { signal }: WorkOptions): Promise<OpenFile[]> {
  const opened: OpenFile[] = [];
  for (const path of paths) {
    throwIfAborted(signal);
    opened.push(await file.beside(path));
  }
  return opened;
}

/** Several files as one concatenation. */
class JoinedFiles {
  readonly #model: OpenFile;
  readonly #files: readonly { readonly file: OpenFile; readonly begin: number; readonly end: number }[];

  constructor(model: OpenFile, files: readonly OpenFile[]) {
    let end = 0;
    this.#model = model;
    this.#files = files.map((file) => {
      const begin = end;
      end += file.size;
      return { file, begin, end };
    });
  }

  checkLength(expected: number): void {
    const found = this.#files.at(-1)?.end ?? 0;
    if (found === expected) return;
    throw new FormatError(
      `${this.#model.name}: the files of its weights have ${found} bytes, expected ${expected}; ` +
        "one is cut off or of another model: download all of them again",
    );
  }

  /** The position of a range; undefined unless one file holds all of it. */
  placeOf(at: number, length: number): { readonly file: OpenFile; readonly offset: number } | undefined {
    const found = this.#files.find(({ begin, end }) => begin <= at && at + length <= end);
    return found && { file: found.file, offset: at - found.begin };
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    const joined = new Uint8Array(length);
    for (const { file, begin, end } of this.#files) {
      const [from, to] = [Math.max(begin, at), Math.min(end, at + length)];
      if (from < to) joined.set(await file.read(from - begin, to - from), from - at);
    }
    return joined;
  }
}

/** A weight's numbers. Quantized numbers are stored · scale + min, rounded once, as in tfjs itself. */
function restored({ name, shape, dtype, quantization }: TfjsWeight, bytes: Uint8Array, file: string): Tensor {
  if (!quantization) return decodeTensor({ name, dtype, shape, begin: 0, end: bytes.length }, bytes);
  if (dtype !== "F32")
    throw new UnsupportedError(
      `${file}: weight ${quote(name)} is quantized ${dtype}, expected float32; convert it otherwise`,
    );
  const { buffer } = bytes; // aligned, because `read` allocates it
  if (quantization.dtype === "F16") return tensorOf("float32", shape, widenFloat16(new Uint16Array(buffer)));
  const { scale, min } = quantization;
  const numbers = quantization.dtype === "U8" ? bytes : new Uint16Array(buffer);
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = numbers[i]! * scale + min;
  return tensorOf("float32", shape, data);
}
