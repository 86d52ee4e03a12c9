import { UnsupportedError } from "@residual/core";
import type { OpenFile } from "../open-file.ts";
import { ZipArchive } from "../zip-archive.ts";
import type { Member } from "../zip-directory.ts";
import { metadataIn } from "../zip-metadata.ts";
import type { Saved } from "./legacy.ts";
import { type Failures, storageBytes, type TorchStorage, torchUnpickler } from "./objects.ts";

/** The longest pickle that is read, in bytes. Pickles name tensors, and do not hold numbers. */
const LONGEST_PICKLE = 64 << 20;

/**
 * Reads a file of torch.save since PyTorch 1.6, which is a zip. Its members are not compressed, so that tensors stay in
 * the file. Throws the error of `refuse`, and UnsupportedError for content that a state dict does not have. Source:
 * torch/serialization.py, `_save`; caffe2/serialize/inline_container.h.
 */
export async function readZip(file: OpenFile, refuse: Failures["refuse"]): Promise<Saved> {
  const archive = await Archive.open(file, refuse);
  const order = await archive.text("byteorder");
  if (order !== undefined && order !== "little")
    throw new UnsupportedError(
      `its byte order is ${JSON.stringify(order.slice(0, 20))}, expected little; save it again`,
    );
  const end = () => refuse("its pickle ends too early");
  const storages = new Map<string, TorchStorage>();
  const pickle = await archive.bytes("data.pkl", LONGEST_PICKLE);
  const root = torchUnpickler(pickle ?? refuse("it has no data.pkl"), storages, { refuse, end }).read();
  const offsets = await Promise.all(
    [...storages.values()].map(
      async (storage) => [storage, await archive.offset(`data/${storage.key}`, storageBytes(storage))] as const,
    ),
  );
  return { root, offsets: new Map(offsets), metadata: archive.metadata };
}

/** A zip of torch.save. All members are in one folder, whose name is the file's original name. */
class Archive {
  readonly #zip: ZipArchive;
  readonly #members: ReadonlyMap<string, Member>;
  readonly #refuse: Failures["refuse"];

  private constructor(zip: ZipArchive, members: ReadonlyMap<string, Member>, refuse: Failures["refuse"]) {
    this.#zip = zip;
    this.#members = members;
    this.#refuse = refuse;
  }

  static async open(file: OpenFile, refuse: Failures["refuse"]): Promise<Archive> {
    const zip = await ZipArchive.open(file, refuse);
    const pickle = zip.members.find(({ name }) => name.endsWith("/data.pkl"));
    const folder = pickle?.name.slice(0, -"data.pkl".length) ?? "";
    const inFolder = zip.members.filter(({ name }) => name.startsWith(folder));
    const members = new Map(inFolder.map((entry) => [entry.name.slice(folder.length), entry]));
    if (members.size < inFolder.length) refuse("two members of its zip have one name");
    return new Archive(zip, members, refuse);
  }

  /** The metadata that Residual's writer adds. */
  get metadata(): Readonly<Record<string, string>> {
    return metadataIn(this.#zip.comment);
  }

  /**
   * The position of a member's bytes in the file. The member must have at least `least` bytes. An empty member is at
   * the file's end.
   */
  async offset(name: string, least = 0): Promise<number> {
    const member = this.#members.get(name) ?? this.#refuse(`its zip lacks ${JSON.stringify(name.slice(0, 100))}`);
    if (!member.isStored)
      throw new UnsupportedError("its zip is compressed, which torch.save never does; save it again with torch.save");
    if (member.size < least)
      this.#refuse(`its ${name.slice(0, 100)} has ${member.size} bytes, and its pickle says ${least}`);
    return this.#zip.offset(member);
  }

  async bytes(name: string, most: number): Promise<Uint8Array | undefined> {
    const size = this.#members.get(name)?.size;
    if (size === undefined) return undefined;
    if (size > most) this.#refuse(`its ${name} has ${size} bytes, expected at most ${most}`);
    return this.#zip.file.read(await this.offset(name), size);
  }

  async text(name: string): Promise<string | undefined> {
    const bytes = await this.bytes(name, 100);
    return bytes && new TextDecoder().decode(bytes);
  }
}
