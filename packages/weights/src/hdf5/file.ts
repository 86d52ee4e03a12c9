import { UnsupportedError } from "@residual/core";
import type { OpenFile } from "../open-file.ts";
import type { Refuse } from "../zip-directory.ts";
import { type Attribute, readAttributes, readTexts } from "./attributes.ts";
import { type Dataset, readDataset } from "./dataset.ts";
import { GlobalHeap } from "./global-heap.ts";
import { readLinks } from "./links.ts";
import { type Message, readMessages } from "./object-header.ts";
import { Structures } from "./structures.ts";

/** A group or a dataset of an HDF5 file. Parts are read on demand, and cached. */
export class Hdf5Object {
  readonly #file: Hdf5File;
  readonly #messages: readonly Message[];
  #attributes: ReadonlyMap<string, Attribute> | undefined;
  #links: Promise<ReadonlyMap<string, number>> | undefined;

  constructor(file: Hdf5File, messages: readonly Message[]) {
    this.#file = file;
    this.#messages = messages;
  }

  /** The names of a group's members. Empty for a dataset. */
  async names(): Promise<readonly string[]> {
    return [...(await this.#linksRead()).keys()];
  }

  /** The object at a path below this group, given as a list of names; undefined if there is none. */
  async find(path: readonly string[]): Promise<Hdf5Object | undefined> {
    const [name, ...rest] = path;
    if (name === undefined) return this;
    const address = (await this.#linksRead()).get(name);
    return address === undefined ? undefined : (await this.#file.object(address)).find(rest);
  }

  /** The texts of an attribute; undefined if the object has no attribute of this name. */
  async texts(name: string): Promise<readonly string[] | undefined> {
    const { structures, heap } = this.#file;
    this.#attributes ??= readAttributes(structures, this.#messages);
    const found = this.#attributes.get(name);
    return found && readTexts(found, structures, heap);
  }

  /** The description of a dataset; undefined for a group. */
  dataset(): Dataset | undefined {
    return readDataset(this.#file.structures, this.#messages);
  }

  #linksRead(): Promise<ReadonlyMap<string, number>> {
    this.#links ??= readLinks(this.#file.structures, this.#messages);
    return this.#links;
  }
}

/**
 * An HDF5 file as h5py and Keras write it: superblocks of versions 0 to 3, groups as symbol tables or links, text
 * attributes, contiguous and chunked datasets. Objects are read on demand. Calls `refuse` if the file is damaged.
 * Throws UnsupportedError for other features of HDF5. Source: HDF5 File Format Specification 3.0.
 */
export class Hdf5File {
  readonly structures: Structures;
  readonly heap: GlobalHeap;
  readonly #objects = new Map<number, Promise<Hdf5Object>>();

  private constructor(structures: Structures) {
    this.structures = structures;
    this.heap = new GlobalHeap(structures);
  }

  /** Opens a file, and returns it with its root group. */
  static async open(file: OpenFile, refuse: Refuse): Promise<{ readonly file: Hdf5File; readonly root: Hdf5Object }> {
    const structures = new Structures(file, refuse);
    const opened = new Hdf5File(structures);
    return { file: opened, root: await opened.object(await rootOf(structures)) };
  }

  object(address: number): Promise<Hdf5Object> {
    let found = this.#objects.get(address);
    if (!found) {
      found = readMessages(this.structures, address).then((messages) => new Hdf5Object(this, messages));
      this.#objects.set(address, found);
    }
    return found;
  }
}

/** The address of the root group. */
async function rootOf(structures: Structures): Promise<number> {
  const { file, refuse } = structures;
  const head = await structures.fields(0, Math.min(file.size, 96));
  head.expect("\x89HDF\r\n\x1a\n");
  const version = head.u8();
  if (version > 3) throw new UnsupportedError(`${file.name}: its HDF5 is of version ${version}, expected 0 to 3`);
  if (version < 2) head.skip(4);
  if (head.u8() !== 8 || head.u8() !== 8)
    throw new UnsupportedError(`${file.name}: its HDF5 has addresses of other than 8 bytes; write it again by h5py`);
  if (version < 2) head.skip(version === 1 ? 13 : 9);
  else head.skip(1);
  if (head.address() !== 0)
    throw new UnsupportedError(`${file.name}: its HDF5 begins within the file; write it again by h5py`);
  head.skip(8);
  const size = head.address();
  if (size === undefined || size > file.size) refuse(`it has ${file.size} of ${size} bytes: it is cut off`);
  if (version < 2) head.skip(16);
  return head.address() ?? refuse("it has no root group");
}
