import { type DType, type NamedSource, sizeOf, type WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { checkedTensors, type Metadata, type Named } from "./named-tensors.ts";
import { numbersOf } from "./numbers-of.ts";
import { zipPieces } from "./write-zip.ts";

/**
 * Writes tensors as `torch.save(state_dict, path)` does since PyTorch 1.6. `torch.load` and `readWeights` return them
 * bit for bit; `torch.load(path, weights_only=True)` returns an OrderedDict of tensors. Lazy sources are read twice
 * while the file is written, because checksums precede the numbers. Metadata go to the zip's comment, which PyTorch
 * ignores. At any time, `path` holds either the old file or the complete new one. `options.onProgress` counts bytes.
 *
 * Throws FormatError for a tensor whose data do not match its dtype and shape, for metadata of more than 64 KiB, and if
 * `path` cannot be written; AbortError.
 */
export async function writePyTorch(
  path: string,
  tensors: Named<NamedSource>,
  metadata: Metadata = {},
  options: WorkOptions = {},
): Promise<void> {
  const named = checkedTensors(tensors);
  const text = (content: string) => [new TextEncoder().encode(content)];
  const members = [
    { name: "data.pkl", pieces: [stateDict(named)] },
    { name: "byteorder", pieces: text("little") },
    ...named.map(([, source], i) => ({ name: `data/${i}`, pieces: [numbersOf(source)] })),
    { name: "version", pieces: text("3\n") },
  ].map(({ name, pieces }) => ({ name: `archive/${name}`, pieces }));
  await writeAtomic([{ path, pieces: await zipPieces(members, metadata, options) }], {
    ...options,
    stage: "write weights",
  });
}

const storages = {
  float32: "FloatStorage",
  float64: "DoubleStorage",
  int32: "IntStorage",
  int64: "LongStorage",
  uint8: "ByteStorage",
} as const satisfies Record<DType, string>;

/**
 * A pickle of protocol 2 that holds an OrderedDict of tensors. Each tensor has its own storage, whose key is the
 * tensor's index. Source: pickletools.py of Python; torch/_tensor.py, `_reduce_ex_internal`; torch/serialization.py,
 * `_save`.
 */
function stateDict(named: readonly (readonly [string, NamedSource])[]): Uint8Array {
  const pickle = new Pickle();
  pickle.global("collections", "OrderedDict").code(")R(");
  for (const [i, [name, { dtype, shape }]] of named.entries()) {
    const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1).map((size) => Math.max(1, size))));
    pickle.text(name).global("torch._utils", "_rebuild_tensor_v2").code("((").text("storage");
    pickle.global("torch", storages[dtype]).text(String(i)).text("cpu").whole(sizeOf(shape)).code("tQ");
    pickle.whole(0).tuple(shape).tuple(strides);
    // requires_grad is false, and there are no hooks
    pickle.code("\x89").global("collections", "OrderedDict").code(")RtR");
  }
  return pickle.code("u.").bytes();
}

/** Writes the opcodes of protocol 2. */
class Pickle {
  readonly #bytes: number[] = [0x80, 2];

  /** Writes opcodes that have no argument. */
  code(opcodes: string): this {
    for (const opcode of opcodes) this.#bytes.push(opcode.charCodeAt(0));
    return this;
  }

  global(module: string, name: string): this {
    return this.code(`c${module}\n${name}\n`);
  }

  text(content: string): this {
    const encoded = new TextEncoder().encode(content);
    this.code("X").#number(encoded.length, 4);
    for (const byte of encoded) this.#bytes.push(byte);
    return this;
  }

  /** Writes a whole number from 0 to 2⁵³ − 1. */
  whole(value: number): this {
    if (value < 2 ** 31) return this.code("J").#number(value, 4);
    this.code("\x8a").#number(8, 1);
    return this.#number(value, 8);
  }

  tuple(values: readonly number[]): this {
    this.code("(");
    for (const value of values) this.whole(value);
    return this.code("t");
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #number(value: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.#bytes.push(Math.floor(value / 2 ** (8 * i)) % 256);
    return this;
  }
}
