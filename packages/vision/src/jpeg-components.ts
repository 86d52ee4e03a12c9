import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import { type HuffmanTable, huffmanTable, JpegBits, mostCopied } from "./jpeg-bits.ts";
import { type BlockCopier, progressiveBlocks, sequentialBlocks } from "./jpeg-blocks.ts";
import { standardTables } from "./jpeg-tables.ts";

/** A component without detail, which stands where a decoder expects one. */
interface BlankComponent {
  /** Sampling factors. */
  readonly across: number;
  readonly down: number;
}

export interface CopyOptions {
  /** The copy's components: indices of the file's own, and blank ones before or behind these. */
  readonly components: readonly (number | BlankComponent)[];
  /** The colour transform that the copy says to have, as Adobe counts: 0 none, 1 YCbCr. Unchanged where not given. */
  readonly transform?: 0 | 1;
}

interface Component extends BlankComponent {
  readonly id: number;
  /** As it stands in the frame's header. */
  readonly raw: Uint8Array;
}

interface Frame {
  readonly isProgressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
}

/** By component, and block by block: whether a scan gave a coefficient a value. */
type Nonzero = Map<number, Uint8Array>;

/** Huffman tables as they stand in the file, by class and place: 0x00 to 0x03 of DC, 0x10 to 0x13 of AC. */
type Tables = Map<number, Uint8Array>;

interface ScanComponent extends BlankComponent {
  readonly index: number;
  readonly isKept: boolean;
  /** As it stands in the scan's header. */
  readonly raw: Uint8Array;
  readonly dc: number;
  readonly ac: number;
}

/** Some cameras write others in a sequential frame, of which decoders take no notice. */
const WHOLE_BLOCKS = Uint8Array.of(0, 63, 0);

interface Scan {
  readonly components: readonly ScanComponent[];
  /** The last bytes of its header: the first coefficient, the last one, and bits of approximation. */
  readonly rest: Uint8Array;
}

const [SOI, EOI, SOS, DHT, DRI, COM] = [0xd8, 0xd9, 0xda, 0xc4, 0xdd, 0xfe];
const [APP0, APP2, APP14, APP15] = [0xe0, 0xe2, 0xee, 0xef];

/**
 * A copy of a JPEG with some of its components, of which libjpeg warns only where pixels were lost: stray bytes, wrong
 * numbers in headers that decoders pass over, and colour profiles are left out. No pixel is decoded: the codes of a
 * block are copied bit by bit, so the copy's pixels are those of the file. Of Huffman codes only.
 *
 * Undefined where the blocks of a component would need another order. Throws FormatError for a damaged file.
 * Source: ITU T.81, annexes B, F and G.
 */
export function copyJpeg(file: Uint8Array, options: CopyOptions): Uint8Array | undefined {
  const reader = new ByteReader(file, { at: 2, littleEndian: false });
  const copy: Uint8Array[] = [Uint8Array.of(0xff, SOI)];
  if (options.transform !== undefined) copy.push(adobeSegment(options.transform));
  const tables: Tables = new Map();
  readTables(
    Uint8Array.from(atob(standardTables), (char) => char.charCodeAt(0)),
    tables,
  );
  const nonzero: Nonzero = new Map();
  const scratch = new Uint8Array(mostCopied(file));
  let frame: Frame | undefined;
  let interval = 0;
  for (let marker = markerAt(reader); marker !== EOI; marker = markerAt(reader)) {
    const data = reader.take(reader.u16() - 2);
    if (marker === DHT) readTables(data, tables);
    if (marker === DRI) interval = new ByteReader(data, { littleEndian: false }).u16();
    if (marker === SOS) {
      if (!frame) throw new FormatError("found a scan before the frame; the file is damaged");
      const scan = readScan(data, frame, options);
      if (needsOtherOrder(scan, options)) return undefined;
      const coded = new JpegBits(file, reader.at, scratch);
      copy.push(...copyScan(coded, scan, { frame, tables, nonzero, interval, options }));
      reader.at = coded.toMarker();
    } else if (isFrame(marker)) {
      frame = readFrame(marker, data);
      copy.push(frameSegment(marker, data, frame, options));
    } else if (options.transform === undefined ? marker !== APP2 : !isDescription(marker)) {
      copy.push(segment(marker, corrected(marker, data, options.components.length)));
    }
  }
  copy.push(Uint8Array.of(0xff, EOI));
  return joined(copy);
}

/** A copy of all components. Throws FormatError for a damaged file. */
export function tidyCopy(file: Uint8Array, components: number): Uint8Array {
  return copyJpeg(file, { components: [...Array(components).keys()] }) ?? file;
}

/** The next marker, past stray and fill bytes. */
function markerAt(reader: ByteReader): number {
  while (reader.u8() !== 0xff);
  let marker = reader.u8();
  while (marker === 0xff) marker = reader.u8();
  return marker === 0 ? markerAt(reader) : marker;
}

/** SOF0, SOF1, SOF2: the frames that have Huffman codes, and are neither lossless nor hierarchical. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xc2;

/**
 * A segment's data, without what libjpeg warns of though it reads it: an unknown revision of JFIF, and an unknown
 * colour transform, which it takes for YCbCr, or YCCK of four components. Source: libjpeg-turbo, src/jdmarker.c and
 * src/jdapimin.c.
 */
function corrected(marker: number, data: Uint8Array, components: number): Uint8Array {
  const reader = new ByteReader(data);
  const changed = (at: number, value: number) => data.map((byte, i) => (i === at ? value : byte));
  if (marker === APP0 && data.length >= 14 && reader.startsWith("JFIF\0")) return changed(5, 1);
  if (!isAdobe(marker, data)) return data;
  const known = components === 4 ? [0, 2] : [0, 1];
  return known.includes(data[11]!) ? data : changed(11, known[1]!);
}

const isDescription = (marker: number): boolean => marker === COM || (marker >= APP0 && marker <= APP15);

/** The colour transform that Adobe's segment says; undefined where there is none. */
export function adobeTransform(
  segments: Iterable<{ readonly marker: number; readonly data: Uint8Array }>,
): number | undefined {
  for (const { marker, data } of segments) {
    if (isAdobe(marker, data)) return data[11];
  }
  return undefined;
}

const isAdobe = (marker: number, data: Uint8Array): boolean =>
  marker === APP14 && data.length >= 12 && new ByteReader(data).startsWith("Adobe");

function adobeSegment(transform: number): Uint8Array {
  return segment(APP14, [...new TextEncoder().encode("Adobe"), 0, 100, 0, 0, 0, 0, transform]);
}

function segment(marker: number, data: ArrayLike<number> & Iterable<number>): Uint8Array {
  const length = data.length + 2;
  return Uint8Array.of(0xff, marker, length >> 8, length & 0xff, ...data);
}

function readFrame(marker: number, data: Uint8Array): Frame {
  const reader = new ByteReader(data, { at: 1, littleEndian: false });
  const [height, width] = [reader.u16(), reader.u16()];
  const components = Array.from({ length: reader.u8() }, () => {
    const raw = reader.take(3);
    return { id: raw[0]!, across: raw[1]! >> 4, down: raw[1]! & 15, raw };
  });
  return { isProgressive: marker === 0xc2, width, height, components };
}

/** The name of a blank component, which no component of the file has. */
function blankId(at: number, { components }: Frame): number {
  const free = Array.from({ length: 256 }, (_, id) => id).filter((id) => components.every((each) => each.id !== id));
  return free[at]!;
}

function frameSegment(marker: number, data: Uint8Array, frame: Frame, { components }: CopyOptions): Uint8Array {
  const headers = components.map((each, at) =>
    typeof each === "number"
      ? frame.components[each]!.raw
      : [blankId(at, frame), (each.across << 4) | each.down, frame.components[0]!.raw[2]!],
  );
  return segment(marker, [...data.subarray(0, 5), headers.length, ...headers.flatMap((each) => [...each])]);
}

function readTables(data: Uint8Array, tables: Tables): void {
  const reader = new ByteReader(data);
  while (reader.at < data.length) {
    const begin = reader.at;
    const name = reader.u8();
    const counts = reader.take(16);
    reader.take(counts.reduce((sum, count) => sum + count, 0));
    tables.set(name, data.subarray(begin, reader.at));
  }
}

function readScan(data: Uint8Array, frame: Frame, { components: kept }: CopyOptions): Scan {
  const reader = new ByteReader(data);
  const components = Array.from({ length: reader.u8() }, () => {
    const raw = reader.take(2);
    const index = frame.components.findIndex(({ id }) => id === raw[0]);
    const component = frame.components[index];
    if (!component) throw new FormatError(`found a scan of the component ${raw[0]}, which the frame has not`);
    const { across, down } = component;
    return { index, isKept: kept.includes(index), raw, across, down, dc: raw[1]! >> 4, ac: 16 + (raw[1]! & 15) };
  });
  const rest = reader.take(3);
  return { components, rest: frame.isProgressive ? rest : WHOLE_BLOCKS };
}

/** Blocks of several rows are coded unit by unit among other components, and row by row alone. */
function needsOtherOrder({ components }: Scan, options: CopyOptions): boolean {
  const [kept, ...others] = components.filter(({ isKept }) => isKept);
  const isLeftAlone = kept !== undefined && others.length === 0 && components.length > 1;
  const hasBlanks = options.components.some((each) => typeof each === "object");
  return isLeftAlone && !hasBlanks && kept.across * kept.down > 1;
}

interface Around {
  readonly frame: Frame;
  readonly tables: Tables;
  readonly nonzero: Nonzero;
  readonly interval: number;
  readonly options: CopyOptions;
}

/** The segments of a scan of the kept components, of which there may be none. */
function copyScan(bits: JpegBits, scan: Scan, around: Around): readonly Uint8Array[] {
  const { frame, options } = around;
  const kept = scan.components.filter(({ isKept }) => isKept);
  const isAlone = scan.components.length === 1;
  const blanks = isAlone || kept.length === 0 ? [] : options.components.filter((each) => typeof each === "object");
  copyUnits(bits, scan, blanks, around);
  if (kept.length === 0) return [];
  const names = blanks.length > 0 ? blankTables(kept[0]!) : [];
  const headers = options.components.flatMap((each, at) => {
    if (typeof each === "number") return [...(kept.find(({ index }) => index === each)?.raw ?? [])];
    return blanks.length === 0 ? [] : [blankId(at, frame), (names[0]! << 4) | (names[1]! & 15)];
  });
  return [
    ...names.map((name) => segment(DHT, [name, 1, ...Array<number>(15).fill(0), 0])),
    segment(SOS, [headers.length / 2, ...headers, ...scan.rest]),
    bits.copied,
    ...names.flatMap((name) => (around.tables.has(name) ? [segment(DHT, around.tables.get(name)!)] : [])),
  ];
}

/** The places of tables that a component does not use. A blank block is two codes of them, each a zero bit. */
function blankTables({ dc, ac }: ScanComponent): readonly number[] {
  return [dc ^ 1, ac ^ 1];
}

function copyUnits(bits: JpegBits, scan: Scan, blanks: readonly BlankComponent[], around: Around): void {
  const { frame, interval, options } = around;
  const isAlone = scan.components.length === 1;
  const blocks = scan.components.flatMap((component) => {
    const copier = blockCopier(bits, component, scan, around);
    return Array.from({ length: isAlone ? 1 : component.across * component.down }, () => copier);
  });
  const isBefore = typeof options.components[0] === "object";
  const zeros = blanks.reduce((sum, { across, down }) => sum + across * down, 0) * (frame.isProgressive ? 1 : 2);
  const units = unitsOf(scan, frame);
  for (let unit = 0; unit < units; unit++) {
    if (interval > 0 && unit > 0 && unit % interval === 0) {
      bits.restart(unit / interval - 1);
      for (const copier of blocks) copier.restart();
    }
    if (isBefore) bits.writeZeros(zeros);
    for (const copier of blocks) copier.copy();
    if (!isBefore) bits.writeZeros(zeros);
  }
  bits.end();
}

/** Blocks of a component that is coded alone, else units of several components' blocks. Source: ITU T.81, A.2. */
function unitsOf({ components }: Pick<Scan, "components">, { width, height, components: all }: Frame): number {
  const across = Math.max(...all.map((each) => each.across));
  const down = Math.max(...all.map((each) => each.down));
  const [alone] = components;
  if (components.length > 1) return Math.ceil(width / (8 * across)) * Math.ceil(height / (8 * down));
  const columns = Math.ceil((width * alone!.across) / across);
  const rows = Math.ceil((height * alone!.down) / down);
  return Math.ceil(columns / 8) * Math.ceil(rows / 8);
}

/** Copies the codes of a component's blocks if the component is kept, and else passes them. */
function blockCopier(
  bits: JpegBits,
  { index, isKept, dc, ac }: ScanComponent,
  { components, rest: [from, to, approximation] }: Scan,
  { frame, tables, nonzero }: Around,
): BlockCopier {
  const table = (name: number): HuffmanTable | undefined => {
    const raw = tables.get(name);
    return raw && huffmanTable(raw.subarray(1, 17), raw.subarray(17));
  };
  const component = { isKept, dc: table(dc), ac: table(ac) };
  if (!frame.isProgressive) return sequentialBlocks(bits, component);
  if (to! > 63 || (from! > 0 && components.length > 1)) {
    throw new FormatError(`found a scan of coefficients ${from} to ${to}; the file is damaged`);
  }
  if (from! > 0 && !nonzero.has(index)) nonzero.set(index, new Uint8Array(64 * unitsOf({ components }, frame)));
  const spectrum = { from: from!, to: to!, isRefined: approximation! >> 4 > 0 };
  return progressiveBlocks(bits, component, spectrum, nonzero.get(index) ?? new Uint8Array(0));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
