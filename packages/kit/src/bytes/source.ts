import { FormatError } from "@residual/core";
import { shown } from "./shown.ts";

/** A URL object of any realm. Declared here, so that the packages' types do not need a global URL. */
export interface UrlLike {
  readonly href: string;
}

/** A Blob or a File. */
export interface BlobLike {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The Response of a fetch. */
export interface ResponseLike {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  /** node-fetch's body is a Readable. */
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
 * A source of bytes: a path or URL as text, a URL object, a Blob, File or Response, memory of any realm, a
 * ReadableStream, a Node Readable, or any other async iterable of bytes.
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

/** The schemes of readable URLs. All other text is a path: `C:\cat.png` has no scheme. */
const SCHEME = /^(?:https?:\/\/|file:|data:|blob:)/i;

/** The URL of a text or URL object; undefined for a path or another value. */
export function urlOf(source: unknown): string | undefined {
  if (typeof source === "string") return SCHEME.test(source) ? source : undefined;
  return has(source, "href") && typeof source.href === "string" ? source.href : undefined;
}

/**
 * A view of memory of any realm, not copied; undefined for other values. A shared buffer is copied, since other threads
 * may write to it and the platform's decoders refuse it. Throws FormatError for transferred memory.
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
    throw new FormatError(`${name}: found a detached buffer, whose memory was transferred; give a copy of it`, {
      cause,
    });
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
 * The name of a source for messages: its path, its URL, or a File's name; else `otherwise`. One line of at most about
 * 200 characters; `data:` URLs are shortened, passwords left out.
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
