import { type FileHandle, open, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FormatError, WeightsError, type WorkOptions } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { longestIndex } from "../shards.ts";
import { type Digest, differenceOf, digestOf, type Expected } from "./digest.ts";
import { type Linked, type Response, request, Watch, wholeNumber } from "./request.ts";
import { pause, refusal, TransientFailure, waitAfter } from "./retry.ts";
import type { Settings } from "./settings.ts";
import type { HttpAnswer } from "./transport.ts";

/** A file to download. */
export interface Wanted extends Expected {
  readonly url: string;
  /** The path at which the file is stored. */
  readonly path: string;
  /** The largest allowed size of the file, in bytes. */
  readonly maxBytes: number;
  /**
   * Called with the SHA-256 as soon as it is known: before anything is written if the hub's headers have it, and again
   * with the hash of the received bytes.
   */
  readonly check?: (sha256: string) => void;
}

/** The paths of a partial download: the received bytes, and a note with the known facts about the whole file. */
export function partOf(path: string): { readonly data: string; readonly note: string } {
  return { data: `${path}.part`, note: `${path}.part.json` };
}

/** Identifies the file's version, so that a later request continues the same file. */
interface Note {
  readonly url: string;
  /** The server's name for this version of the file: a strong ETag, else a date. */
  readonly version: string | undefined;
  readonly total: number | undefined;
}

/**
 * Downloads a file to a partial file. Renames it to its path once it is complete and its hash is right. The partial
 * file survives an abort or a kill, and a later call continues it. The caller must ensure that no other process writes
 * to the same partial file.
 *
 * Throws WeightsError if the server fails or refuses, or if the hash is wrong; NotThere if the server does not have the
 * file; FormatError if the disk refuses; AbortError.
 */
export async function fetchFile(wanted: Wanted, settings: Settings, options: WorkOptions): Promise<Digest> {
  for (let attempt = 0; ; attempt++) {
    const { isResumed, linked } = await download(wanted, settings, options);
    const { data, note } = partOf(wanted.path);
    const found = await digestOf(data, wanted, options);
    const difference = differenceOf(found, wanted) ?? differenceOf(found, linked);
    if (difference === undefined) {
      await orRemove(wanted, () => wanted.check?.(found.sha256));
      await rename(data, wanted.path);
      await rm(note, { force: true });
      return found;
    }
    await removePart(wanted.path);
    // the file was joined from several answers, and may have changed on the server in between
    if (!isResumed || attempt > 0) throw new WeightsError(`what was downloaded is not the file: ${difference}`);
  }
}

/** Removes the partial file if the check fails, so that it is not continued. */
async function orRemove({ path }: Wanted, check: () => void): Promise<void> {
  try {
    check();
  } catch (error) {
    await removePart(path);
    throw error;
  }
}

async function removePart(path: string): Promise<void> {
  const { data, note } = partOf(path);
  await rm(data, { force: true });
  await rm(note, { force: true });
}

/** The result of filling the partial file. */
interface Filled {
  /** Whether more than one connection was needed. */
  readonly isResumed: boolean;
  readonly linked: Linked;
}

/** Counters of one download. */
interface Tally {
  /** How often the partial file was discarded to begin again. */
  restarts: number;
}

/** Fills the partial file, with retries. */
async function download(wanted: Wanted, settings: Settings, options: WorkOptions): Promise<Filled> {
  const tally: Tally = { restarts: 0 };
  let failures = 0;
  let before = await sizeOf(partOf(wanted.path).data);
  const hadPart = before > 0;
  for (let connections = 1; ; connections++) {
    const failure = await attempt(wanted, tally, settings, options);
    if (!(failure instanceof TransientFailure)) return { isResumed: hadPart || connections > 1, linked: failure };
    const size = await sizeOf(partOf(wanted.path).data);
    failures = size > before ? 1 : failures + 1;
    before = size;
    const { restarts } = settings;
    const giveUp = (why: string) => {
      throw new WeightsError(failure.message + why, { cause: failure });
    };
    const wait = waitAfter(failure, failures, settings);
    if (tally.restarts > restarts)
      giveUp(`; the download has begun anew ${tally.restarts} times, expected at most ${restarts}`);
    if (connections === settings.connections) giveUp(`; the file is not whole after ${connections} connections`);
    await pause(wait, options.signal);
  }
}

/**
 * One connection. Returns an error that a retry may fix; otherwise the hub's facts about the file, and the partial file
 * is complete.
 */
async function attempt(
  wanted: Wanted,
  tally: Tally,
  settings: Settings,
  options: WorkOptions,
): Promise<TransientFailure | Linked> {
  const watch = new Watch(options.signal, settings.stall);
  let response: Response | undefined;
  try {
    const part = await resumable(wanted, tally);
    const range: Record<string, string> =
      part.size === 0
        ? {}
        : { range: `bytes=${part.size}-`, ...(part.note?.version !== undefined && { "if-range": part.note.version }) };
    response = await request(wanted.url, range, settings, watch);
    if (response.linked.sha256 !== undefined) wanted.check?.(response.linked.sha256);
    await receive(response, part, wanted, tally, watch, options);
    return response.linked;
  } catch (error) {
    await response?.answer.body?.cancel().catch(() => {}); // an unread body would hold its connection
    const meaning = watch.meaningOf(error);
    if (meaning instanceof TransientFailure) return meaning;
    throw meaning;
  } finally {
    watch.end();
  }
}

interface PartialFile {
  readonly size: number;
  readonly note: Note | undefined;
}

/** The partial file, if it can be continued. If the note has no version, the hash of the whole file must be known. */
async function resumable({ url, path, sha256 }: Wanted, tally: Tally): Promise<PartialFile> {
  const { data, note: notePath } = partOf(path);
  const size = await sizeOf(data);
  const note = size === 0 ? undefined : await readNote(notePath);
  const isGood = note && note.url === url && (note.version !== undefined || sha256?.length === 64);
  if (isGood) return { size, note };
  if (size > 0) tally.restarts++;
  await removePart(path);
  return { size: 0, note: undefined };
}

async function receive(
  { answer, linked }: Response,
  part: PartialFile,
  wanted: Wanted,
  tally: Tally,
  watch: Watch,
  { onProgress }: WorkOptions,
): Promise<void> {
  const { data, note } = partOf(wanted.path);
  const judged = judge(answer, part);
  if (judged === "whole") return answer.body?.cancel();
  if (judged === "other") {
    tally.restarts++;
    await removePart(wanted.path);
    throw new TransientFailure("the file has changed on the server");
  }
  const { begin, total } = judged;
  const expected = wanted.bytes ?? linked.bytes;
  checkTotal(total, expected, wanted);
  checkPacking(answer, expected, wanted);
  await checkSpace(wanted.path, (total ?? 0) - begin);
  if (begin === 0) {
    if (part.size > 0) tally.restarts++;
    await rm(data, { force: true });
    await writeFile(note, JSON.stringify({ url: wanted.url, version: versionOf(answer), total } satisfies Note));
  }
  await using file = await open(data, begin === 0 ? "w" : "r+");
  await file.truncate(begin);
  let done = begin;
  const told = () => onProgress?.({ stage: "download", done, total: total ?? Number.POSITIVE_INFINITY });
  told();
  const most = total ?? expected ?? wanted.maxBytes;
  for await (const chunk of answer.body ?? []) {
    watch.alive();
    if (done + chunk.length > most) {
      await removePart(wanted.path);
      throw new WeightsError(`the server sends more than the ${most} bytes that are expected`);
    }
    await write(file, chunk, done);
    done += chunk.length;
    told();
  }
  if (total !== undefined && done < total)
    throw new TransientFailure(`the connection ended after ${done} of ${total} bytes`);
  await file.sync(); // otherwise the rename may reach the disk before the data
}

/**
 * The kind of a response: bytes from `begin` on; "whole" if nothing is left to send; "other" if its version differs
 * from the partial file's. Throws the error of the status.
 */
function judge(
  answer: HttpAnswer,
  { size, note }: PartialFile,
): "whole" | "other" | { readonly begin: number; readonly total: number | undefined } {
  const { status, headers } = answer;
  if (status === 200) {
    // the length of a compressed response is not the file's
    const told = packingOf(answer) ? undefined : wholeNumber(headers.get("content-length"));
    return { begin: 0, total: told };
  }
  const [, first, total] =
    /^bytes (?:(\d{1,15})-\d{1,15}|\*)\/(\d{1,15})$/.exec(headers.get("content-range") ?? "") ?? [];
  const isSame = note?.total === undefined || total === undefined || Number(total) === note.total;
  if (status === 206 && size > 0) {
    const version = versionOf(answer);
    const isOther = note?.version !== undefined && version !== undefined && version !== note.version;
    // a range of a compressed response is not a range of the file
    if (Number(first) !== size || isOther || packingOf(answer) || !isSame) return "other";
    return { begin: size, total: Number(total) };
  }
  if (status === 416 && size > 0) return isSame && Number(total ?? note?.total) === size ? "whole" : "other";
  throw refusal(answer);
}

/**
 * The compression of a response, which a server may apply despite `identity`; undefined for an uncompressed response.
 */
function packingOf({ headers }: HttpAnswer): string | undefined {
  const packing = headers.get("content-encoding");
  return packing === null || /^\s*(identity\s*)?$/i.test(packing) ? undefined : packing;
}

/** A strong ETag, else the date of the last change, as If-Range requires. Source: RFC 9110, section 13.1.5. */
function versionOf({ headers }: HttpAnswer): string | undefined {
  const tag = headers.get("etag");
  return tag?.startsWith('"') ? tag : (headers.get("last-modified") ?? undefined);
}

function checkTotal(total: number | undefined, expected: number | undefined, { maxBytes }: Wanted): void {
  if (total !== undefined && expected !== undefined && total !== expected)
    throw new WeightsError(`the server has a file of ${total} bytes, expected ${expected}`);
  if ((total ?? 0) > maxBytes) throw new WeightsError(`the file has ${total} bytes, expected at most ${maxBytes}`);
}

/** The most bytes of a compressed response of unknown size: gzip can expand one byte to a thousand. */
const MOST_UNPACKED = longestIndex;

function checkPacking(answer: HttpAnswer, expected: number | undefined, { maxBytes }: Wanted): void {
  const packing = packingOf(answer);
  if (packing === undefined || expected !== undefined || maxBytes <= MOST_UNPACKED) return;
  throw new WeightsError(
    `the server sends the file packed (${shown(packing, 40)}), which was not asked for, and nothing tells its size`,
  );
}

/** Checks the free space before the download, so that a full disk fails early. */
async function checkSpace(path: string, needed: number): Promise<void> {
  const found = await statfs(dirname(path)).catch(() => undefined); // not supported by every file system
  const free = found ? found.bavail * found.bsize : Number.POSITIVE_INFINITY;
  if (needed > free)
    throw new FormatError(`${path}: it needs ${needed} bytes of space, and ${free} are free; make room there`);
}

async function write(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, at, chunk.length - at, position + at);
    at += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function readNote(path: string): Promise<Note | undefined> {
  try {
    const { url, version, total } = JSON.parse(await readFile(path, "utf8")) as Partial<Record<keyof Note, unknown>>;
    const isNote =
      typeof url === "string" &&
      /^(string|undefined)$/.test(typeof version) &&
      /^(number|undefined)$/.test(typeof total);
    return isNote ? ({ url, version, total } as Note) : undefined;
  } catch {
    return undefined; // a missing or truncated note makes the partial file useless
  }
}
