import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { AbortError, FormatError } from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as browser from "./browser.ts";
import { type ByteSource, nameOf, pathOf, type ReadOptions, readBytes } from "./index.ts";

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8)) % 256);
const base64 = Buffer.from(bytes).toString("base64");
const folder = mkdtempSync(join(tmpdir(), "residual-bytes-"));
const path = join(folder, "a picture #1 100%.bin");
writeFileSync(path, bytes);

let server: Server;
let address: string;
/** The bytes that the endless response has sent. */
let sent = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    const answers: { readonly [url: string]: () => unknown } = {
      "/whole": () => response.setHeader("content-length", bytes.length).end(bytes),
      "/chunked": () => Readable.from([bytes.subarray(0, 30_000), bytes.subarray(30_000)]).pipe(response),
      "/gzip": () => response.setHeader("content-encoding", "gzip").end(gzipSync(bytes)),
      "/redirect": () => response.writeHead(302, { location: "/whole" }).end(),
      "/claims": () => response.setHeader("content-length", 1e12).flushHeaders(),
      "/cut": () =>
        response.setHeader("content-length", bytes.length).write(bytes.subarray(0, 10), () => response.destroy()),
      "/stalls": () => response.write("x"),
      "/endless": () => {
        const more = () => {
          do sent += 65_536;
          while (response.write(new Uint8Array(65_536)) && sent < 1 << 30);
        };
        response.on("drain", more);
        more();
      },
    };
    (answers[request.url!] ?? (() => response.writeHead(404).end("<html>no such page")))();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

const inRealm = (kind: string): ArrayBufferView => {
  const array = runInNewContext(`new ${kind}(${bytes.length} / ${kind}.BYTES_PER_ELEMENT)`) as Uint8Array;
  new Uint8Array(array.buffer).set(bytes);
  return array;
};
const shared = new SharedArrayBuffer(bytes.length);
new Uint8Array(shared).set(bytes);
async function* generated() {
  yield bytes.subarray(0, 1000);
  yield bytes.slice(1000, 50_000).buffer;
  yield new DataView(bytes.buffer, 50_000);
}

describe("what a user holds", () => {
  it.each<[string, () => ByteSource | Promise<ByteSource>]>([
    ["a path", () => path],
    ["file: text", () => pathToFileURL(path).href],
    ["a file: URL", () => pathToFileURL(path)],
    ["a URL of another realm", () => ({ href: pathToFileURL(path).href })],
    ["http: text", () => `${address}/whole`],
    ["an http: URL", () => new URL(`${address}/whole`)],
    ["an answer without a length", () => `${address}/chunked`],
    ["a compressed answer", () => `${address}/gzip`],
    ["a redirection", () => `${address}/redirect`],
    ["a data: URL", () => `data:application/octet-stream;base64,${base64}`],
    ["a data: URL object", () => new URL(`data:;base64,${base64}`)],
    ["a blob: URL", () => URL.createObjectURL(new Blob([bytes]))],
    ["a Blob", () => new Blob([bytes])],
    ["a File", () => new File([bytes], "cat.png")],
    ["a Response of fetch", () => fetch(`${address}/chunked`)],
    ["a Response of bytes", () => new Response(bytes)],
    ["an ArrayBuffer", () => bytes.buffer],
    ["a SharedArrayBuffer", () => shared],
    ["a view on a SharedArrayBuffer", () => new Uint8Array(shared)],
    ["a Buffer in the middle of its memory", () => Buffer.concat([Buffer.from("xyz"), bytes]).subarray(3)],
    ["a Uint16Array", () => new Uint16Array(bytes.buffer)],
    ["a DataView", () => new DataView(bytes.buffer)],
    ["a Uint8Array of another realm", () => inRealm("Uint8Array")],
    ["a Float32Array of another realm", () => inRealm("Float32Array")],
    ["an ArrayBuffer of another realm", () => inRealm("Uint8ClampedArray").buffer],
    ["a ReadableStream", () => new Blob([bytes]).stream()],
    ["a Readable", () => createReadStream(path)],
    ["an async generator", () => generated()],
  ])("%s", async (_, make) => {
    const found = await readBytes(await make());
    expect(found.constructor).toBe(Uint8Array);
    expect(Object.prototype.toString.call(found.buffer)).toBe("[object ArrayBuffer]");
    expect(Buffer.compare(found, bytes)).toBe(0);
  });

  it("a file of /proc, which says that it has 0 bytes", async () => {
    expect(new TextDecoder().decode(await readBytes("/proc/self/status"))).toContain("VmRSS");
  });

  it("nothing, from an empty file and an answer without a body", async () => {
    writeFileSync(join(folder, "empty"), "");
    expect(await readBytes(join(folder, "empty"))).toEqual(new Uint8Array());
    expect(await readBytes(new Response(null))).toEqual(new Uint8Array());
  });

  it("memory without a copy", async () => {
    expect((await readBytes(bytes)).buffer).toBe(bytes.buffer);
  });
});

async function refusal(source: unknown, options: ReadOptions = {}, read = readBytes): Promise<string> {
  const named = { expected: "an image file", name: "image", ...options };
  const error = await read(source as ByteSource, named).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(FormatError);
  const { message } = error as FormatError;
  expect(message.length).toBeLessThan(1000);
  expect(message).not.toMatch(/\p{Cc}/u);
  return message;
}

describe("refused, with what was given and what is taken", () => {
  const taken = "expected an image file as a path, a URL, a Blob, a Response, bytes or a stream";
  it.each<[unknown, string]>([
    [null, "null"],
    [undefined, "undefined"],
    [42, "the number 42"],
    [true, "the boolean true"],
    [10n ** 5000n, "the bigint 1000"],
    [Symbol("cat"), "the symbol Symbol(cat)"],
    [() => {}, "a function"],
    [[1, 2, 3], "an array of 3 elements"],
    [Array(1e6).fill("x"), "an array of 1000000 elements"],
    [{ width: 3, ["x".repeat(1e6)]: 3 }, "an object {width, xxx"],
    [new Map(), "a Map"],
    [Promise.resolve(bytes), "a Promise; await it"],
    [new Request("http://localhost/"), "a Request"],
    [Object.create(null), "an object {}"],
  ])("%#: a value of another kind", async (value, found) => {
    const message = await refusal(value);
    expect(message).toContain(`image: found ${found}`);
    expect(message).toContain(taken);
  });

  it("paths of nothing, of a folder, of a pipe and of a device", async () => {
    const missing = join(folder, "no-such.png");
    expect(await refusal(missing)).toBe(`${missing}: not found, expected an image file; check the path`);
    expect(await refusal(join(path, "below"))).toContain("not found");
    expect(await refusal(folder)).toContain(`${folder}: found a directory, expected an image file; name a file in it`);
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(await refusal(pipe)).toContain("found a pipe, expected an image file; name a file, or give a stream of it");
    expect(await refusal("/dev/zero")).toContain("found a device or a socket");
  });

  it("text that is neither a path nor a URL", async () => {
    expect(await refusal("")).toBe("image: found an empty path, expected an image file");
    expect(await refusal("a\0b")).toContain("a\\u{0}b: could not be read (ERR_INVALID_ARG_VALUE)");
    expect(await refusal("two\nlines")).toContain("two\\u{a}lines: not found");
    expect(await refusal("x".repeat(1e6))).toContain("could not be read (ENAMETOOLONG)");
    expect(await refusal("file://another-host/a.png")).toContain("; give the path of a file");
    expect(await refusal("http://")).toContain("could not be fetched");
    expect(await refusal("data:nonsense")).toContain("could not be fetched");
  });

  it("a data: URL's text is not in the message", async () => {
    const message = await refusal(`data:image/png;base64,${base64}`, { maxBytes: 10 });
    expect(message).toMatch(/^data:image\/png;base6….{20}: found \d+ bytes, expected at most 10$/);
  });

  it("an answer with an error's status, from an address or as a Response", async () => {
    const expected = `${address}/no-such: the server answered 404 Not Found, expected an image file; check the address`;
    expect(await refusal(`${address}/no-such`)).toBe(expected);
    expect(await refusal(await fetch(`${address}/no-such`))).toBe(expected);
  });

  it("an address that nothing listens at", async () => {
    expect(await refusal("http://127.0.0.1:1/a.png")).toMatch(
      /^http:\/\/127.0.0.1:1\/a.png: it could not be fetched \(.+\), expected .*; check the address and the network$/,
    );
    expect(await refusal("http://user:secret@127.0.0.1:1/")).not.toContain("secret");
  });

  it("an answer that is cut", async () => {
    expect(await refusal(`${address}/cut`)).toContain("/cut: the stream failed (terminated");
  });

  it("what was read before, or is read by others", async () => {
    const response = new Response(bytes);
    await response.arrayBuffer();
    expect(await refusal(response)).toContain("give its clone()");
    const { body } = new Response(bytes);
    body!.getReader();
    expect(await refusal(body)).toContain("has another reader");
    const moved = bytes.slice();
    structuredClone(moved.buffer, { transfer: [moved.buffer] });
    expect(await refusal(moved)).toContain("found a detached buffer");
    expect(await refusal(moved.buffer)).toContain("found a detached buffer");
  });

  it("streams of text, of numbers, and ones that fail", async () => {
    expect(await refusal(createReadStream(path, "utf8"))).toContain("found a stream of text; set no encoding");
    expect(await refusal(Readable.from([1, 2]))).toContain(
      "found a stream of the number 1, expected a stream of bytes",
    );
    const failing = Readable.from(
      (async function* () {
        yield bytes;
        throw new Error("the cable is out");
      })(),
    );
    expect(await refusal(failing)).toContain("image: the stream failed (the cable is out)");
  });
});

describe("maxBytes", () => {
  it.each<[string, () => ByteSource]>([
    ["a file", () => path],
    ["an answer", () => `${address}/whole`],
    ["a Blob", () => new Blob([bytes])],
    ["memory", () => bytes],
    ["a stream", () => createReadStream(path)],
  ])("of %s is allowed, and no more", async (_, make) => {
    expect(await readBytes(make(), { maxBytes: bytes.length })).toHaveLength(bytes.length);
    expect(await refusal(make(), { maxBytes: bytes.length - 1 })).toMatch(/found \d+ bytes, expected at most 99999$/);
  });

  it("refuses what a header claims before it comes", async () => {
    expect(await refusal(`${address}/claims`, { maxBytes: 1e6 })).toContain("found 1000000000000 bytes");
  });

  it("a length that no memory has is an error of ours", async () => {
    await expect(readBytes(`${address}/claims`)).rejects.toMatchObject({ code: "OutOfMemoryError" });
  });

  it("cuts off what does not end, and the sender hears of it", async () => {
    expect(await refusal(`${address}/endless`, { maxBytes: 1e6 })).toContain("expected at most 1000000");
    expect(sent).toBeLessThan(1 << 28);
    const stream = Readable.from(
      (async function* () {
        for (;;) yield bytes;
      })(),
    );
    await refusal(stream, { maxBytes: 1e6 });
    expect(stream.destroyed).toBe(true);
  });
});

describe("abort and progress", () => {
  it.each<[string, () => ByteSource | Promise<ByteSource>]>([
    ["an answer that stalls", () => `${address}/stalls`],
    ["a Response that stalls", () => fetch(`${address}/stalls`)],
    ["a Readable that stalls", () => new Readable({ read() {} })],
    ["a ReadableStream that stalls", () => new ReadableStream()],
    [
      "an iterable that stalls",
      () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
    ],
    ["a file", () => path],
  ])("%s", async (_, make) => {
    const controller = new AbortController();
    const work = readBytes(await make(), { signal: controller.signal });
    controller.abort("enough");
    const error = await work.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AbortError);
    expect((error as AbortError).cause).toBe("enough");
  });

  it("before the start nothing is touched", async () => {
    await expect(readBytes(path, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortError);
  });

  it.each<[string, () => ByteSource, number]>([
    ["a file", () => path, bytes.length],
    ["an answer", () => `${address}/whole`, bytes.length],
    ["a stream, whose length is not known", () => createReadStream(path), Number.POSITIVE_INFINITY],
  ])("progress of %s", async (_, make, total) => {
    const seen: { stage: string; done: number; total: number }[] = [];
    await readBytes(make(), { stage: "read image", onProgress: (progress) => seen.push(progress) });
    expect(seen[0]).toMatchObject({ stage: "read image", total });
    expect(seen.at(-1)).toEqual({ stage: "read image", done: bytes.length, total: bytes.length });
  });
});

describe("names and paths", () => {
  it.each<[unknown, string]>([
    ["cat.png", "cat.png"],
    [new URL("https://ada:secret@example.org/cat.png"), "https://example.org/cat.png"],
    [new File([], "cat.png"), "cat.png"],
    [new Blob([]), "image"],
    [bytes, "image"],
    [null, "image"],
  ])("%#: the name of a source", (source, name) => expect(nameOf(source, "image")).toBe(name));

  it("the path of a source that is a file", async () => {
    expect(await pathOf("C:\\cat.png")).toBe("C:\\cat.png");
    expect(await pathOf(pathToFileURL(path))).toBe(path);
    expect(await pathOf("https://example.org/")).toBeUndefined();
    expect(await pathOf(bytes)).toBeUndefined();
  });
});

describe("in a browser", () => {
  it("text is fetched, and a file: URL refused", async () => {
    expect(Buffer.compare(await browser.readBytes(`${address}/whole`), bytes)).toBe(0);
    expect(await refusal("cat.png", {}, browser.readBytes)).toMatch(
      /cat\.png: it could not be fetched .*; check the address, the network, and that the server .*\(CORS\)$/,
    );
    expect(await refusal("file:///cat.png", {}, browser.readBytes)).toContain("a browser reads no files by name");
    expect(await browser.pathOf("cat.png")).toBeUndefined();
  });
});
