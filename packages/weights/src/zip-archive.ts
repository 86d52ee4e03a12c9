import { UnsupportedError } from "@residual/core";
import { inflate } from "@residual/kit/inflate";
import { crc32 } from "./crc32.ts";
import { quote } from "./json-reader.ts";
import { memoryFile, type OpenFile, partOf } from "./open-file.ts";
import type { UnpackedBytes } from "./unpacked-bytes.ts";
import { type Member, offsetOf, type ReadRange, type Refuse, readDirectory } from "./zip-directory.ts";

/** A zip whose members can be opened as files. Its methods call `refuse` if the zip is damaged. */
export class ZipArchive {
  readonly file: OpenFile;
  readonly members: readonly Member[];
  /** The zip's comment, as text. */
  readonly comment: string;
  readonly #read: ReadRange;
  readonly #refuse: Refuse;

  private constructor(
    file: OpenFile,
    { members, comment }: { readonly members: readonly Member[]; readonly comment: string },
    read: ReadRange,
    refuse: Refuse,
  ) {
    this.file = file;
    this.members = members;
    this.comment = comment;
    this.#read = read;
    this.#refuse = refuse;
  }

  /** Reads the directory of a zip, without its members. */
  static async open(file: OpenFile, refuse: Refuse): Promise<ZipArchive> {
    const read: ReadRange = async (offset, size) => {
      if (!(offset >= 0 && offset + size <= file.size))
        refuse(`its zip reaches to byte ${offset + size} of ${file.size}`);
      return file.read(offset, size);
    };
    return new ZipArchive(file, await readDirectory(file.size, read, refuse), read, refuse);
  }

  /** The position of a member's bytes, all of which lie in the file. An empty member is at the file's end. */
  async offset(member: Member): Promise<number> {
    if (member.size === 0) return this.file.size;
    const offset = await offsetOf(member, this.#read, this.#refuse);
    if (offset + member.size > this.file.size)
      this.#refuse(`its zip reaches to byte ${offset + member.size} of ${this.file.size}`);
    return offset;
  }

  /**
   * Opens a member: a part of the zip's file, or bytes in memory if the member is compressed. `unpacked` counts the
   * decompressed bytes. Throws UnsupportedError if the member is encrypted, or compressed by another method than
   * deflate.
   */
  async open(member: Member, unpacked: UnpackedBytes): Promise<OpenFile> {
    const offset = await this.offset(member);
    const name = quote(member.name);
    if (member.isStored) return partOf(this.file, offset, member.size);
    if (!member.isDeflated)
      throw new UnsupportedError(
        `${this.file.name}: its ${name} is encrypted, or not compressed by deflate; save it again without`,
      );
    unpacked.take(member.unpackedSize);
    const packed = await this.file.read(offset, member.size);
    const bytes = await inflate(packed, "deflate-raw", member.unpackedSize, this.#refuse);
    if (crc32(bytes) !== member.crc) this.#refuse(`its ${name} has another checksum than its zip says`);
    return memoryFile(bytes, this.file.name, this.file.place);
  }
}
