import { once } from "node:events";
import { appendFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as socketServer } from "node:net";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { parquetWriteBuffer } from "hyparquet-writer";
import { beforeAll, describe, expect, it } from "vitest";
import { fetchPicture } from "../shard/fetch-picture.ts";
import { freeze } from "./freeze.ts";
import { imagesOf } from "./images.ts";

const folder = temporaryFolder();
const names = ["b.jpg", "a.png", "notes.md", ".hidden.png", "sub/c.webp", "sub/deep/d.jpg", "@eaDir/e.jpg", "f.heic"];

beforeAll(async () => {
  for (const each of ["sub/deep", "@eaDir"]) await mkdir(folder.in("photos", each), { recursive: true });
  for (const name of names) await writeFile(folder.in("photos", name), "");
  await symlink(folder.in("photos"), folder.in("photos", "sub", "loop"));
});

async function all(...input: readonly string[]): Promise<readonly string[]> {
  const images: string[] = [];
  for await (const image of imagesOf(input)) images.push(image);
  return images;
}

const listed = ["cat.png", "https://example.org/dog.jpg?size=1,2", "s3://bucket/a b.jpg"];

describe("pictures", () => {
  it("of a folder: by folder, then by name, without hidden files, other files and endless links", async () => {
    const found = ["a.png", "b.jpg", "f.heic", "sub/c.webp", "sub/deep/d.jpg"];
    expect(await all(folder.in("photos"))).toEqual(found.map((name) => folder.in("photos", name)));
  });

  it("of a pattern", async () => {
    const found = ["b.jpg", "sub/deep/d.jpg"].map((name) => folder.in("photos", name));
    expect(await all(folder.in("photos", "**/*.jpg"))).toEqual(found);
    expect(await all(folder.in("photos", "nothing-*.jpg"))).toEqual([]);
  });

  it.each([
    ["list.txt", `\uFEFF${listed.join("\r\n\n")}`],
    ["list.jsonl", listed.map((each, at) => JSON.stringify(at === 1 ? each : { id: at, path: each })).join("\n")],
    ["list.csv", `id,image\n${listed.map((each, at) => `${at},"${each}"`).join("\n")}`],
    [
      "list.parquet",
      new Uint8Array(
        parquetWriteBuffer({ columnData: [{ name: "url", data: [...listed], type: "STRING" }], rowGroupSize: 2 }),
      ),
    ],
  ])("of %s, with URLs as they are", async (name, contents) => {
    await writeFile(folder.in(name), contents);
    expect(await all(folder.in(name))).toEqual(listed);
  });

  it("that a list does not name are told by its line", async () => {
    await writeFile(folder.in("bad.jsonl"), '{"image":"a.png"}\n{"label":"cat"}\n');
    await expect(all(folder.in("bad.jsonl"))).rejects.toThrow(/bad\.jsonl, line 2: found no picture, expected a text/);
    await expect(all(folder.in("nowhere"))).rejects.toThrow(/nowhere: not found/);
  });

  it.each([
    ["quote.csv", 'image\n"a.png\n'],
    ["ragged.csv", "image,label\na.png\n"],
    ["text.parquet", "no parquet file"],
    ["empty.parquet", ""],
  ])("of the damaged list %s are a typed error", async (name, contents) => {
    await writeFile(folder.in(name), contents);
    await expect(all(folder.in(name))).rejects.toMatchObject({ code: "FormatError", message: /it cannot be read \(/ });
  });

  it.each([".txt", ".jsonl", ".csv", ".parquet"])("of a %s that cannot be opened are one too", async (ending) => {
    const path = folder.in(`socket${ending}`); // whoever opens a socket is refused, the superuser too
    const socket = socketServer().listen(path);
    await once(socket, "listening");
    await expect(all(path)).rejects.toMatchObject({ code: "FormatError", message: /socket.*: it cannot be read \(/ });
    socket.close();
  });

  it("of a pattern in a folder that does not exist are one too", async () => {
    await expect(all(folder.in("none/*.png"))).rejects.toMatchObject({
      code: "FormatError",
      message: /cannot be read/,
    });
  });

  it("of a list that changes while it is read are refused: it would be half of each", async () => {
    await writeFile(folder.in("growing.txt"), "a.png\nb.png\n");
    const reading = (async () => {
      for await (const _ of imagesOf([folder.in("growing.txt")])) await appendFile(folder.in("growing.txt"), "c.png\n");
    })();
    await expect(reading).rejects.toThrow(/growing\.txt: it changed while it was read/);
  });
});

it("a list of 200,000 pictures is frozen in little memory", async () => {
  const path = folder.in("long.txt");
  await writeFile(
    path,
    Array.from({ length: 200_000 }, (_, at) => `https://example.org/${"x".repeat(80)}/${at}.jpg\n`).join(""),
  );
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  let most = 0;
  const onProgress = () => {
    most = Math.max(most, process.memoryUsage().heapUsed - before);
  };
  const list = await freeze(folder.in("frozen"), { input: [path], shardSize: 65_536, onProgress });
  expect(list).toMatchObject({ images: 200_000, shards: 4 });
  expect(most).toBeLessThan(120e6); // a shard of 65,536 at a time; the whole list's objects take more
});

describe("a URL", () => {
  async function serve<T>(answer: RequestListener, work: (url: string) => Promise<T>): Promise<T> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const limits = { maxBytes: 1000, expected: "an image file", endpoint: null };

  it("is tried again while the server is overloaded, and after a broken connection", async () => {
    let requests = 0;
    const answer: RequestListener = (request, response) => {
      requests++;
      if (requests === 1) response.writeHead(503, { "retry-after": "0" }).end();
      else if (requests === 2) request.socket.destroy();
      else response.end("picture");
    };
    const bytes = await serve(answer, (url) => fetchPicture(`${url}/a.jpg`, limits));
    expect([Buffer.from(bytes).toString(), requests]).toEqual(["picture", 3]);
  });

  it("that is missing or too large is not", async () => {
    let requests = 0;
    const answer: RequestListener = ({ url }, response) => {
      requests++;
      if (url === "/missing") response.writeHead(404).end();
      else if (url === "/large") response.end("x".repeat(1001));
    };
    await serve(answer, async (url) => {
      await expect(fetchPicture(`${url}/missing`, limits)).rejects.toMatchObject({ code: "FormatError" });
      await expect(fetchPicture(`${url}/large`, limits)).rejects.toThrow(/found 1001 bytes, expected at most 1000/);
    });
    expect(requests).toBe(2);
  });

  it("of S3 is signed for the service at the endpoint, its key encoded", async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-west-1" });
    const seen: (string | undefined)[] = [];
    const answer: RequestListener = ({ url, headers }, response) => {
      seen.push(url, headers.authorization);
      response.end("picture");
    };
    await serve(answer, (endpoint) => fetchPicture("s3://bucket/a folder/ü+1.jpg", { ...limits, endpoint }));
    expect(seen[0]).toBe("/bucket/a%20folder/%C3%BC%2B1.jpg");
    expect(seen[1]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-west-1\/s3\/aws4_request, SignedHeaders=host;/,
    );
  });
});
