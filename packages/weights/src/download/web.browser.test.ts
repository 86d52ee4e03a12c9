import { AbortError, type Progress, tensor, WeightsError } from "@residual/core";
import { encodeSafetensors, readWeights, shippedWeights } from "@residual/weights";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";

/** The part of the DOM that this test uses: packages are type-checked without the DOM's types. */
declare const caches: { delete(name: string): Promise<boolean> };

const page = globalThis.fetch;
const weights = await (
  await page(`/@fs${inject("repository")}packages/weights/known/resnet20-cifar10.safetensors`)
).bytes();

/** Responses of the simulated web, by address. */
const web = new Map<string, (signal: AbortSignal | undefined) => Response | Promise<Response>>();
let asked: string[] = [];
const HUB = "https://huggingface.co";
const file = "model.safetensors";
const list = (sha256: string) => () =>
  Response.json([
    { type: "file", path: "config.json", oid: "0", size: 1 },
    {
      type: "file",
      path: file,
      oid: "0",
      size: weights.length,
      lfs: { oid: sha256, size: weights.length, pointerSize: 9 },
    },
  ]);

beforeEach(async () => {
  await caches.delete("residual-weights");
  asked = [];
  web.clear();
  web.set(`${HUB}/me/net/resolve/main/${file}`, () => new Response(weights));
  web.set(`${HUB}/api/models/me/net/tree/main?recursive=true`, list(shippedWeights.sha256!));
  vi.stubGlobal("fetch", async (url: string | URL, init?: { signal?: AbortSignal }) => {
    const href = String(url);
    if (!href.startsWith("https:")) return page(href, init);
    asked.push(href);
    return web.get(href)?.(init?.signal) ?? new Response("not here", { status: 404 });
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe("weights by a name, in a browser", () => {
  it("are fetched once, with progress, and then come from the cache", async () => {
    const seen: Progress[] = [];
    const found = await readWeights("hf:me/net", { onProgress: (progress) => seen.push(progress) });
    expect(found.model).toBe("cifar_resnet20");
    expect(seen.at(-1)).toEqual({ stage: "download", done: weights.length, total: weights.length });
    const count = asked.length;
    expect((await readWeights("hf:me/net")).model).toBe("cifar_resnet20");
    expect((await readWeights("hf:me/net", { offline: true })).model).toBe("cifar_resnet20");
    expect(asked, "nor is what is missing asked for again").toHaveLength(count);
  });

  it("are those of the table too", async () => {
    web.set(`${HUB}/timm/resnet18.a1_in1k/resolve/main/${file}`, () => new Response(weights));
    expect((await readWeights("timm/resnet18.a1_in1k")).tensors.has("fc.weight")).toBe(true);
  });

  it("of a repository are what the configurations beside them say, offline too", async () => {
    const bare = encodeSafetensors({ x: tensor([2], [1, 2]) }).map((piece) => new Uint8Array(piece));
    web.set(`${HUB}/me/bare/resolve/main/${file}`, () => new Response(new Blob(bare)));
    const config = { architecture: "resnet50", label_names: ["cat", "dog"] };
    web.set(`${HUB}/me/bare/resolve/main/config.json`, () => Response.json(config));
    for (const offline of [false, true])
      expect(await readWeights("hf:me/bare", { offline })).toMatchObject({ model: "resnet50", labels: ["cat", "dog"] });
  });

  it("that are damaged are refused, and not kept", async () => {
    web.set(`${HUB}/me/net/resolve/main/${file}`, () => new Response(weights.with(9000, 1)));
    for (let i = 0; i < 2; i++)
      await expect(readWeights("hf:me/net")).rejects.toThrow(/found SHA-256 \w{64}, expected bcd555/);
    web.set(`${HUB}/me/net/resolve/main/${file}`, () => new Response(weights.subarray(0, 1000)));
    await expect(readWeights("hf:me/net")).rejects.toThrow(/found 1000 bytes, expected 1092976/);
  });

  it("come after a failure that passes", async () => {
    let failures = 0;
    web.set(`${HUB}/me/net/resolve/main/${file}`, () => {
      if (failures++ === 0) throw new TypeError("Failed to fetch");
      return new Response(weights);
    });
    expect((await readWeights("hf:me/net")).model).toBe("cifar_resnet20");
  });

  it.each([500, 503, 429])("come after an answer %i, when the server says", async (status) => {
    let answers = 0;
    web.set(`${HUB}/me/net/resolve/main/${file}`, () =>
      answers++ === 0 ? new Response("", { status, headers: { "retry-after": "0" } }) : new Response(weights),
    );
    expect((await readWeights("hf:me/net")).model).toBe("cifar_resnet20");
    expect(answers).toBe(2);
  });

  it.each([
    [401, {}, /the server answered 401; check the name, and download it yourself where it is private/],
    [400, {}, /the server answered 400, from/],
    [503, { "retry-after": "3600" }, /the server answered 503; it asks to wait for 3600 s, from/],
  ])("that are refused with %i are asked for once", async (status, headers, message) => {
    let answers = 0;
    web.set(`${HUB}/me/net/resolve/main/${file}`, () => {
      answers++;
      return new Response("", { status, headers });
    });
    const refused = readWeights("hf:me/net");
    await expect(refused).rejects.toThrow(WeightsError);
    await expect(refused).rejects.toThrow(message);
    expect(answers).toBe(1);
  });

  it("that nobody has, or that are asked for offline, are a WeightsError", async () => {
    await expect(readWeights("hf:me/other")).rejects.toThrow(WeightsError);
    await expect(readWeights("hf:me/other")).rejects.toThrow(/has none of the files model.safetensors/);
    await expect(readWeights("hf:me/other", { offline: true })).rejects.toThrow(/not downloaded, and `offline` is set/);
  });

  it("can be aborted", async () => {
    const controller = new AbortController();
    web.set(`${HUB}/me/net/resolve/main/${file}`, () => {
      const stalled = new ReadableStream({ start: (stream) => stream.enqueue(weights.subarray(0, 1000)) });
      setTimeout(() => controller.abort(), 20);
      return new Response(stalled);
    });
    await expect(readWeights("hf:me/net", { signal: controller.signal })).rejects.toThrow(AbortError);
  });
});
