import type { WeightsSource } from "@residual/weights";

/** The files of a run. */
export const fileNames = {
  /** The weights of the best epoch, with labels and preprocessing. */
  best: "best.safetensors",
  /** The weights of the last epoch that ended. */
  last: "last/weights.safetensors",
  checkpoint: "last/checkpoint.safetensors",
} as const;

export type FileName = keyof typeof fileNames;

/** Where a run keeps its files. */
export interface Store {
  /** A file that was saved; undefined if none was. */
  load(name: FileName): Promise<WeightsSource | undefined>;
  /** Replaces files, in the order given. Each is either the old one or the whole new one. */
  save(files: readonly { readonly name: FileName; readonly pieces: readonly Uint8Array[] }[]): Promise<void>;
}

/** A store whose files are bytes. */
export interface MemoryStore extends Store {
  load(name: FileName): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** Keeps the files in memory: they end with the program. */
export function memoryStore(): MemoryStore {
  const files = new Map<FileName, Uint8Array<ArrayBuffer>>();
  return {
    load: async (name) => files.get(name),
    async save(saved) {
      for (const { name, pieces } of saved) files.set(name, joined(pieces));
    },
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
