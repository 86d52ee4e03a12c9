import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { mapValues, type Tensor, tensorOf } from "@residual/core";

/** The file descriptor of the memory in the child. */
const SHARED_FD = 4;
/** Bytes from which a tensor is placed in shared memory. Smaller ones are as quick in a message. */
const LEAST = 64 << 10;
/** Containers have 64 MB of /dev/shm unless told otherwise. */
const MOST = 48 << 20;

/** A tensor at `offset` bytes of shared memory. */
interface PlacedTensor {
  readonly shape: readonly number[];
  readonly offset: number;
}

export type SentTensors = { readonly [name: string]: Tensor<"float32"> | PlacedTensor };

interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Memory that a process shares with its child, for large tensors. A message through the child's channel takes twice as
 * long, since it passes the buffer of a socket in parts. The memory is a file of Linux's tmpfs without a name, which
 * the system frees with the last of the two processes.
 */
export class SharedMemory {
  readonly fd: number;
  /** Sorted by offset. */
  readonly #used: Region[] = [];

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Undefined where the platform has no tmpfs at /dev/shm. */
  static open(): SharedMemory | undefined {
    const path = `/dev/shm/residual-${process.pid}-${process.hrtime.bigint()}`;
    try {
      const fd = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      return new SharedMemory(fd);
    } catch {
      return undefined;
    }
  }

  /** Copies large tensors, as far as there is room. Call `free` once the child has read them. */
  place(inputs: { readonly [name: string]: Tensor<"float32"> }): {
    readonly sent: SentTensors;
    readonly free: () => void;
  } {
    const regions: Region[] = [];
    const sent = mapValues<Tensor<"float32">, SentTensors[string]>(inputs, (tensor) => {
      const region = this.#write(tensor.data);
      if (!region) return tensor;
      regions.push(region);
      return { shape: tensor.shape, offset: region.offset };
    });
    return { sent, free: () => this.#free(regions) };
  }

  close(): void {
    closeSync(this.fd);
  }

  #write(data: Float32Array): Region | undefined {
    const bytes = data.byteLength;
    const offset = bytes < LEAST ? MOST : this.#roomFor(bytes);
    if (offset + bytes > MOST) return undefined;
    try {
      if (writeSync(this.fd, data, 0, bytes, offset) < bytes) return undefined;
    } catch {
      return undefined; // the file system is full
    }
    const region = { offset, bytes };
    this.#used.push(region);
    this.#used.sort((a, b) => a.offset - b.offset);
    return region;
  }

  /** The first gap of this size, or the end. */
  #roomFor(bytes: number): number {
    let end = 0;
    for (const region of this.#used) {
      if (region.offset - end >= bytes) break;
      end = region.offset + region.bytes;
    }
    return end;
  }

  #free(regions: readonly Region[]): void {
    for (const region of regions) this.#used.splice(this.#used.indexOf(region), 1);
  }
}

/** The tensors of a message, those in shared memory as copies. */
export function readTensors(sent: SentTensors, fd: number = SHARED_FD): { readonly [name: string]: Tensor<"float32"> } {
  return mapValues<SentTensors[string], Tensor<"float32">>(sent, (each) => ("offset" in each ? read(each, fd) : each));
}

function read({ shape, offset }: PlacedTensor, fd: number): Tensor<"float32"> {
  const data = new Float32Array(shape.reduce((size, each) => size * each, 1));
  for (let done = 0; done < data.byteLength; ) {
    const bytes = readSync(fd, data, done, data.byteLength - done, offset + done);
    if (bytes === 0) throw new Error(`shared memory ends at ${offset + done} bytes (internal error; please report it)`);
    done += bytes;
  }
  return tensorOf("float32", shape, data);
}
