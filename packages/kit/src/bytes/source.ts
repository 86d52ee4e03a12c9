import { FormatError } from "@residual/core";
import { shown } from "./shown.ts";

/** A URL object, of any realm. The declarations of packages need no global URL. */
export interface UrlLike {
  readonly href: string;
}

/** A Blob or a File. */
export interface BlobLike {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** What fetch answers with. */
export interface ResponseLike {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  /** node-fetch's is a Readable. */
  readonly body: StreamLike | AsyncIterable<unknown> | null;
  readonly bodyUsed: boolean;
}

/** A ReadableStream of bytes. */
export interface StreamLike {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
    cancel(reason?: unknown): Promise<unknown>;
  };
}

/**
 * What bytes are read from: a path or a URL, as text or as a URL object; a Blob, File or Response; memory of any realm;
 * a ReadableStream, a Readable of Node's, or any other async iterable of bytes.
 */
export type ByteSource =
  | string
  | UrlLike
  | BlobLike
  | ResponseLike
  | ArrayBufferLike
  | ArrayBufferView
  | StreamLike
  | AsyncIterable<unknown>;

/** The names of ByteSource's kinds, for messages. */
export const KINDS = "a path, a URL, a Blob, a Response, bytes or a stream";

/** The schemes of URLs that are read. Other text is a path: `C:\cat.png` has no scheme. */
const SCHEME = /^(?:https?:\/\/|file:|data:|blob:)/i;

/** Text or a URL object as a URL's text; undefined where it is a path, or neither. */
export function urlOf(source: unknown): string | undefined {
  if (typeof source === "string") return SCHEME.test(source) ? source : undefined;
  return has(source, "href") && typeof source.href === "string" ? source.href : undefined;
}

/**
 * A view on memory of any realm, without a copy; undefined for anything else. A shared buffer is copied, since others
 * may write to it and the platform's decoders refuse it. Throws FormatError for memory that was transferred elsewhere.
 */
export function memoryOf(source: unknown, name: string): Uint8Array | undefined {
  const isView = ArrayBuffer.isView(source);
  const buffer = isView ? source.buffer : (source as ArrayBufferLike);
  const kind = /^\[object (Shared)?ArrayBuffer\]$/.exec(Object.prototype.toString.call(buffer));
  if (!kind) return undefined;
  try {
    const view = isView ? new Uint8Array(buffer, source.byteOffset, source.byteLength) : new Uint8Array(buffer);
    return kind[1] ? view.slice() : view;
  } catch (cause) {
    throw new FormatError(`${name}: found memory that was transferred elsewhere; give a copy of it`, { cause });
  }
}

export function isResponse(source: unknown): source is ResponseLike {
  return has(source, "status") && has(source, "headers") && has(source, "body");
}

export function isBlob(source: unknown): source is BlobLike {
  return has(source, "arrayBuffer") && has(source, "size") && typeof source.size === "number";
}

export function isStream(source: unknown): source is StreamLike {
  return has(source, "getReader") && typeof source.getReader === "function";
}

export function isAsyncIterable(source: unknown): source is AsyncIterable<unknown> {
  return has(source, Symbol.asyncIterator) && typeof source[Symbol.asyncIterator] === "function";
}

function has<K extends PropertyKey>(value: unknown, key: K): value is { readonly [name in K]: unknown } {
  return typeof value === "object" && value !== null && key in value;
}

/**
 * What a message calls a source: its path, its URL, a File's name; else `otherwise`. One line of at most about 200
 * characters; a `data:` URL is cut short, and a password is left out.
 */
export function nameOf(source: unknown, otherwise: string): string {
  const url = isResponse(source) ? source.url || undefined : urlOf(source);
  if (url?.startsWith("data:")) return shown(url, 40);
  const named = (url && withoutPassword(url)) ?? (has(source, "name") ? source.name : source);
  return typeof named === "string" && named !== "" ? shown(named) : otherwise;
}

/** `https://ada:secret@example.org/` without `ada:secret@`. */
export function withoutPassword(text: string): string {
  return text.replaceAll(/(\w:\/\/)[^\s/?#]*@/g, "$1");
}
