import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { AbortError, type Progress, type ResidualError, WeightsError, type WorkOptions } from "@residual/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { etagOf, FileServer, type Mischief, sha256Of, stallAfter, status } from "../testing/file-server.ts";
import { fetchFile, partOf, type Wanted } from "./fetch-file.ts";
import { NotThere } from "./retry.ts";
import { defaults, type Settings } from "./settings.ts";
import { openTransport, type Transport } from "./transport.ts";

const file = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 256);
const other = file.map((byte) => byte ^ 1);
const sha256 = sha256Of(file);

let folder: string;
let server: FileServer;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-fetch-"));
  path = join(folder, "weights.bin");
  server = await new FileServer().start();
  server.files.set("/w", file);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const quick: Settings = { ...defaults, transport: await openTransport(), backoff: 1 };

function fetched(change: Partial<Wanted> = {}, settings: Partial<Settings> = {}, options: WorkOptions = {}) {
  const onProgress = (progress: Progress) => {
    options.onProgress?.(progress);
    if (progress.stage === "download") server.reached(progress.done);
  };
  const wanted = { url: `${server.address}/w`, path, maxBytes: 1e9, ...change };
  return fetchFile(wanted, { ...quick, ...settings }, { ...options, onProgress });
}

async function refusal(change: Partial<Wanted> = {}, settings: Partial<Settings> = {}): Promise<ResidualError> {
  const error: unknown = await fetched(change, settings).then(
    () => "no error",
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(WeightsError);
  expect(existsSync(path), "nothing is in the file's place").toBe(false);
  return error as WeightsError;
}

/** Expects the whole file, and no other file in its folder. */
async function expectWhole(bytes: Uint8Array = file): Promise<void> {
  expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
  expect(await readdir(folder)).toEqual(["weights.bin"]);
}

describe("a file comes whole", () => {
  it("at once, with progress in bytes", async () => {
    const seen: Progress[] = [];
    const found = await fetched({ sha256 }, {}, { onProgress: (progress: Progress) => seen.push(progress) });
    expect(found).toMatchObject({ bytes: file.length, sha256 });
    await expectWhole();
    const downloads = seen.filter(({ stage }) => stage === "download");
    expect(downloads[0]).toEqual({ stage: "download", done: 0, total: file.length });
    expect(downloads.at(-1)).toEqual({ stage: "download", done: file.length, total: file.length });
  });

  const passing: { readonly [what: string]: () => readonly Mischief[] } = {
    "after a dropped connection": () => [server.dropAfter(100_000)],
    "after a connection that is dropped again and again, each time with some bytes more": () =>
      Array.from({ length: 12 }, () => server.dropAfter(20_000)),
    "after a drop before the first byte": () => [server.dropAfter(0)],
    "after a connection that was reset before any answer": () => [(_, response) => void response.destroy()],
    "after a stall in the middle": () => [stallAfter(100_000)],
    "after a stall before the headers": () => [() => {}],
    "after answers 500, 502, 503 and 408": () => [status(500), status(502), status(503), status(408)],
    "after an answer 429": () => [status(429, { "retry-after": "0" })],
    "after a wait until a date": () => [status(503, { "retry-after": new Date(0).toUTCString() })],
    "after a Content-Length that is too long": () => [
      (_, response, file) => {
        response.writeHead(200, { etag: etagOf(file), "content-length": file.length + 5 });
        response.write(file, () => setTimeout(() => response.destroy(), 20));
      },
    ],
  };

  it.each(Object.entries(passing))("%s", async (what, make) => {
    const mischiefs = make();
    server.next.push(...mischiefs);
    await fetched({ sha256 }, what.includes("stall") ? { stall: 150 } : {});
    await expectWhole();
    expect(server.requests.length).toBeGreaterThan(mischiefs.length);
  });

  it("goes on where a connection ended, if it is the same file", async () => {
    server.next.push(server.dropAfter(100_000));
    await fetched();
    await expectWhole();
    expect(server.ranges).toEqual([undefined, "bytes=100000-"]);
    expect(server.requests[1]!.headers["if-range"]).toBe(etagOf(file));
  });

  it("begins anew where the file has changed meanwhile", async () => {
    server.next.push((request, response, file) => {
      server.dropAfter(100_000)(request, response, file);
      server.files.set("/w", other);
    });
    await fetched();
    await expectWhole(other);
    expect(server.ranges, "If-Range brings the whole of the new file").toEqual([undefined, "bytes=100000-"]);
  });

  it("begins anew where the server sends a range of another file, whatever If-Range says", async () => {
    server.next.push(server.dropAfter(100_000), (request, response) => {
      delete request.headers["if-range"];
      server.serve(request, response, other);
      server.files.set("/w", other);
    });
    await fetched();
    await expectWhole(other);
    expect(server.ranges).toEqual([undefined, "bytes=100000-", undefined]);
  });

  it("begins anew where the server knows no ranges", async () => {
    server.next.push(server.dropAfter(100_000), (_, response, file) => {
      response.writeHead(200, { "content-length": file.length }).end(file);
    });
    await fetched();
    await expectWhole();
    expect(server.requests).toHaveLength(2);
  });

  it("begins anew where the server sends another range than was asked for", async () => {
    server.next.push(server.dropAfter(100_000), (_, response, file) => {
      const range = `bytes 50000-${file.length - 1}/${file.length}`;
      response.writeHead(206, { etag: etagOf(file), "content-range": range }).end(file.subarray(50_000));
    });
    await fetched();
    await expectWhole();
  });

  it("begins anew where nothing tells the versions apart, unless the hash is known", async () => {
    const drop = server.dropAfter(100_000, { etag: false });
    server.next.push(drop);
    await fetched();
    await rm(path);
    server.next.push(drop);
    await fetched({ sha256 });
    expect(server.ranges).toEqual([undefined, undefined, undefined, "bytes=100000-"]);
  });

  it("begins anew where the rest comes packed, which is a range of other bytes", async () => {
    server.next.push(server.dropAfter(100_000), (_, response, file) => {
      const packed = gzipSync(file.subarray(100_000));
      const range = `bytes 100000-${file.length - 1}/${file.length}`;
      const headers = { etag: etagOf(file), "content-range": range, "content-encoding": "gzip" };
      response.writeHead(206, headers).end(packed);
    });
    await fetched();
    await expectWhole();
    expect(server.ranges).toEqual([undefined, "bytes=100000-", undefined]);
  });

  it("of parts that do not belong together it is fetched once more", async () => {
    server.next.push((request, response, file) => {
      server.dropAfter(100_000)(request, response, file.with(5, 0)); // wrong bytes under the etag of the right ones
    });
    server.headers.set("/w", { etag: etagOf(file.with(5, 0)) });
    await fetched({ sha256 });
    await expectWhole();
    expect(server.ranges).toEqual([undefined, "bytes=100000-", undefined]);
  });

  it("where a former process left a part, and no more than it left is asked for again", async () => {
    await writeFile(partOf(path).data, file.subarray(0, 250_000));
    const note = { url: `${server.address}/w`, version: etagOf(file), total: file.length };
    await writeFile(partOf(path).note, JSON.stringify(note));
    await fetched();
    await expectWhole();
    expect(server.ranges).toEqual(["bytes=250000-"]);
  });

  it("where a former process left all of it", async () => {
    await writeFile(partOf(path).data, file);
    const note = { url: `${server.address}/w`, version: etagOf(file), total: file.length };
    await writeFile(partOf(path).note, JSON.stringify(note));
    await fetched();
    await expectWhole();
    expect(server.ranges, "a 416 says that there is no more").toEqual([`bytes=${file.length}-`]);
  });

  it.each([
    ["longer than the file", new Uint8Array(400_000), { version: etagOf(file), total: file.length }],
    ["of another address", file.subarray(0, 9), { url: "http://127.0.0.1/other", version: etagOf(file) }],
    ["whose note is half written", file.subarray(0, 9), undefined],
  ])("where a former process left a part %s", async (_, part, note) => {
    await writeFile(partOf(path).data, part);
    await writeFile(partOf(path).note, note ? JSON.stringify({ url: `${server.address}/w`, ...note }) : '{"url":');
    await fetched();
    await expectWhole();
  });

  it("of an answer without a length, and of one that is packed", async () => {
    server.next.push((_, response, file) => {
      response.writeHead(200);
      response.write(file.subarray(0, 1000));
      response.end(file.subarray(1000));
    });
    await fetched({ sha256 });
    await rm(path);
    server.next.push((_, response, file) => {
      const packed = gzipSync(file);
      response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed);
    });
    await fetched({ sha256, bytes: file.length });
    await expectWhole();
  });

  it("whatever the garbage collector does: undici ends the body of an answer that nobody holds", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const collectSoon = (rounds: number) => {
      collect();
      if (rounds > 1) setImmediate(collectSoon, rounds - 1);
    };
    const transport: Transport = async (...request) => {
      const answer = await quick.transport(...request);
      setImmediate(collectSoon, 8); // collect while the answer is judged and its file is opened
      return answer;
    };
    for (let i = 0; i < 4; i++) {
      server.next.push((_, response, file) => void response.writeHead(200).end(file));
      await fetched({ sha256 }, { transport });
    }
    await expectWhole();
  });

  it("through redirections", async () => {
    server.next.push(status(302, { location: "/elsewhere" }), status(307, { location: `${server.address}/w` }));
    await fetched({ sha256 });
    await expectWhole();
  });
});

describe("refused, with what was found and what was expected", () => {
  it("a damaged file, after one try", async () => {
    server.files.set("/w", file.with(7, 0));
    expect((await refusal({ sha256 })).message).toBe(
      `what was downloaded is not the file: found SHA-256 ${sha256Of(file.with(7, 0))}, expected ${sha256}`,
    );
    expect(server.requests).toHaveLength(1);
    expect(await readdir(folder), "nor is it gone on with").toEqual([]);
  });

  it("a file with other first digits, and one with another MD5", async () => {
    expect((await refusal({ sha256: "00000000" })).message).toContain(
      `found SHA-256 ${sha256.slice(0, 8)}, expected 00000000`,
    );
    expect((await refusal({ md5: "0".repeat(32) })).message).toContain("found MD5 ");
  });

  it("a file of another size, before a byte of it is taken", async () => {
    expect((await refusal({ bytes: 300_001 })).message).toBe("the server has a file of 300000 bytes, expected 300001");
    expect((await refusal({ maxBytes: 1000 })).message).toBe("the file has 300000 bytes, expected at most 1000");
    expect(await readdir(folder)).toEqual([]);
  });

  it("an endless answer, once it is longer than anything may be", async () => {
    server.next.push((_, response) => {
      const more = () => {
        while (response.write(file));
      };
      response.on("drain", more);
      more();
    });
    expect((await refusal({ maxBytes: 1_000_000 })).message).toContain("sends more than the 1000000 bytes");
  });

  const packed: Mischief = (_, response) => {
    const bytes = gzipSync(new Uint8Array(50_000_000));
    response.writeHead(200, { "content-encoding": "gzip", "content-length": bytes.length }).end(bytes);
  };

  it("a packed answer that unpacks to more than the file has, or than files of unknown size may", async () => {
    server.next.push(packed);
    expect((await refusal({ bytes: 300_000 })).message).toBe(
      "the server sends more than the 300000 bytes that are expected",
    );
    expect(await readdir(folder), "nor is it gone on with").toEqual([]);
    server.next.push(packed);
    expect((await refusal({ maxBytes: 2 ** 32 })).message).toMatch(/^the server sends the file packed \(gzip\)/);
    expect(await readdir(folder)).toEqual([]);
  });

  it("a piece of the file where all of it was asked for", async () => {
    server.next.push((_, response, file) => {
      response.writeHead(206, { etag: etagOf(file), "content-range": "bytes 0-9/10" }).end(file.subarray(0, 10));
    });
    expect((await refusal()).message).toBe(
      "the server answered 206, a piece of the file, where all of it was asked for",
    );
    expect(server.requests).toHaveLength(1);
  });

  it("a Content-Length that is too short: the hash tells", async () => {
    server.next.push((_, response, file) => {
      response.writeHead(200, { "content-length": 1000 }).end(file.subarray(0, 1000));
    });
    expect((await refusal({ sha256 })).message).toContain("what was downloaded is not the file");
  });

  it.each([
    [404, {}, NotThere, "the server answered 404"],
    [410, {}, NotThere, "the server answered 410"],
    [404, { "x-error-code": "RevisionNotFound" }, WeightsError, "the server answered 404 RevisionNotFound"],
    [401, {}, WeightsError, "the server answered 401; check the name, and set HF_TOKEN where it is private"],
    [403, { "x-error-code": "GatedRepo" }, WeightsError, "the server answered 403 GatedRepo; check the name"],
    [416, {}, WeightsError, "the server answered 416"],
    [418, {}, WeightsError, "the server answered 418"],
  ])("an answer %i %j, at once", async (code, headers, kind, message) => {
    server.next.push(status(code, headers));
    const error = await refusal();
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(message);
    expect(server.requests).toHaveLength(1);
  });

  it.each([500, 429])("an answer %i that stays, after some tries", async (code) => {
    server.next.push(...Array.from({ length: 9 }, () => status(code)));
    expect((await refusal()).message).toBe(`the server answered ${code}`);
    expect(server.requests).toHaveLength(1 + defaults.retries);
  });

  it("a server that asks to wait for an hour", async () => {
    server.next.push(status(429, { "retry-after": "3600" }));
    expect((await refusal()).message).toBe("the server answered 429; it asks to wait for 3600 s");
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ["sends another range than was asked for", { "content-range": "bytes 5-10/300000" }, () => `"a"`],
    ["has another version each time", {}, (count: number) => `"v${count}"`],
    ["tells no version", {}, () => undefined],
  ])("a server that breaks off, and %s, without end", async (_, ranged, etag) => {
    const breakOff: Mischief = (request, response, file) => {
      const tag = etag(server.requests.length);
      const headers = { "content-length": file.length, ...(tag && { etag: tag }) };
      if (request.headers.range) response.writeHead(206, { ...headers, "content-range": "bytes 9-9/10", ...ranged });
      else response.writeHead(200, headers);
      // each answer is a few bytes longer, so that none looks like the end
      const sent = 1000 + server.requests.length;
      response.write(file.subarray(0, sent), () => setTimeout(() => response.destroy(), 20));
    };
    server.next.push(...Array.from({ length: 40 }, () => breakOff));
    expect((await refusal()).message).toMatch(/; the download has begun anew 4 times, expected at most 3$/);
    expect(server.requests.length).toBeLessThan(12);
  });

  it("a server that sends a byte a connection, without end", async () => {
    server.next.push(...Array.from({ length: 40 }, () => server.dropAfter(1)));
    expect((await refusal({}, { connections: 10 })).message).toMatch(/; the file is not whole after 10 connections$/);
    expect(server.requests).toHaveLength(10);
  });

  it("a server that stalls each time", async () => {
    server.next.push(...Array.from({ length: 9 }, () => () => {}));
    expect((await refusal({}, { stall: 20 })).message).toBe("nothing came for 0.02 s");
  });

  it("a host that is not there, after few tries", async () => {
    const gone = await new FileServer().start();
    const url = `${gone.address}/w`;
    await gone[Symbol.asyncDispose]();
    expect((await refusal({ url })).message).toMatch(/ECONNREFUSED/);
    expect((await refusal({ url: "http://nowhere.invalid/w" })).message).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  it("redirections in a circle, to another scheme, and to nonsense", async () => {
    server.next.push(...Array.from({ length: 20 }, () => status(302, { location: "/w" })));
    expect((await refusal()).message).toBe("the server sends on more than 10 times");
    server.next.length = 0;
    for (const location of ["file:///etc/passwd", "http://[", "ftp://127.0.0.1/w"]) {
      server.next.push(status(302, { location }));
      expect((await refusal()).message).toContain("expected an https address");
    }
  });
});

describe("an abort", () => {
  it("ends a download in the middle, and leaves a part to go on with", async () => {
    server.next.push(stallAfter(100_000));
    const controller = new AbortController();
    const onProgress = ({ done }: Progress) => done === 100_000 && controller.abort();
    const aborted = fetched({}, { stall: 60_000 }, { signal: controller.signal, onProgress });
    await expect(aborted).rejects.toThrow(AbortError);
    expect((await readdir(folder)).toSorted()).toEqual(["weights.bin.part", "weights.bin.part.json"]);
    await fetched();
    await expectWhole();
    expect(server.ranges).toEqual([undefined, "bytes=100000-"]);
  });

  it("ends a wait for the next try", async () => {
    server.next.push(status(500));
    const controller = new AbortController();
    const waiting = fetched({}, { backoff: 30_000 }, { signal: controller.signal });
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    setTimeout(() => controller.abort(), 20);
    await expect(waiting).rejects.toThrow(AbortError);
  });
});
