import type { Fields, Structures } from "./structures.ts";

type Collection = ReadonlyMap<number, Uint8Array>;

/** The heap that holds texts of variable length. Source: HDF5 File Format Specification 3.0, III.E. */
export class GlobalHeap {
  readonly #structures: Structures;
  readonly #collections = new Map<number, Collection>();

  constructor(structures: Structures) {
    this.#structures = structures;
  }

  /** The bytes of an element of variable length. */
  async read(element: Fields): Promise<Uint8Array> {
    const length = element.u32();
    const address = element.address();
    const index = element.u32();
    if (length === 0) return new Uint8Array();
    const at = address ?? this.#structures.refuse("a text lies nowhere");
    let collection = this.#collections.get(at);
    if (!collection) {
      collection = await this.#collection(at);
      this.#collections.set(at, collection);
    }
    const bytes = collection.get(index);
    if (bytes && bytes.length >= length) return bytes.subarray(0, length);
    return this.#structures.refuse(`a text of ${length} bytes is not where it says`);
  }

  async #collection(address: number): Promise<Collection> {
    this.#structures.enter(address);
    const head = await this.#structures.fields(address, HEAD);
    head.expect("GCOL");
    head.skip(4);
    const fields = await this.#structures.fields(address + HEAD, Math.max(0, head.u64() - HEAD));
    const found = new Map<number, Uint8Array>();
    while (fields.left >= HEAD) {
      const index = fields.u16();
      if (index === 0) break; // index 0 marks the free space at the end
      fields.skip(6);
      const size = fields.u64();
      found.set(index, fields.bytes(size));
      fields.skip(Math.min(-size & 7, fields.left));
    }
    return found;
  }
}

/** Size of the head of a collection and of the head of an object, in bytes. */
const HEAD = 16;
