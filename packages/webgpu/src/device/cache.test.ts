import { describe, expect, it, vi } from "vitest";
import { type Identity, readFindings, type WebgpuCache, writeFindings } from "./cache.ts";

const identity: Identity = {
  vendor: "mesa",
  architecture: "software",
  device: "llvmpipe",
  description: "llvmpipe: Mesa 25.0.7",
  library: "webgpu",
  libraryVersion: "0.6.2",
  subgroups: true,
  kernels: "abc",
};

const findings = { checked: new Map([["conv2d", true]]), tuned: new Map([["x 1×2, weight 2×2", "plain"]]) };
const nothing = { checked: new Map(), tuned: new Map() };

function inMemory(): WebgpuCache & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    read: async (key) => texts.get(key),
    write: async (key, text) => {
      texts.set(key, text);
    },
  };
}

describe("findings", () => {
  it("are read as they were written, under a key that any cache can have", async () => {
    const cache = inMemory();
    expect(await readFindings(cache, identity)).toEqual(nothing);
    await writeFindings(cache, identity, findings);
    expect(await readFindings(cache, identity)).toEqual(findings);
    expect([...cache.texts.keys()]).toEqual([expect.stringMatching(/^webgpu-[0-9a-f]{16}$/)]);
  });

  it.each(Object.keys(identity))("are not those of another %s", async (name) => {
    const cache = inMemory();
    await writeFindings(cache, identity, findings);
    expect(await readFindings(cache, { ...identity, [name]: name === "subgroups" ? false : "other" })).toEqual(nothing);
  });

  it("are not those of another device whose key is the same", async () => {
    const cache = inMemory();
    await writeFindings(cache, identity, findings);
    const [[key, text]] = [...cache.texts] as [[string, string]];
    cache.texts.set(key, text.replace("llvmpipe: Mesa 25.0.7", "llvmpipe: Mesa 25.0.8"));
    expect(await readFindings(cache, identity)).toEqual(nothing);
  });

  it("add to those of other processes", async () => {
    const cache = inMemory();
    await writeFindings(cache, identity, findings);
    await writeFindings(cache, identity, { checked: new Map([["other", false]]), tuned: new Map() });
    expect(await readFindings(cache, identity)).toEqual({
      checked: new Map([
        ["conv2d", true],
        ["other", false],
      ]),
      tuned: findings.tuned,
    });
  });
});

it("a cache that never answers is empty", async () => {
  vi.useFakeTimers();
  try {
    const found = readFindings({ read: () => new Promise(() => {}), write: async () => {} }, identity);
    await vi.advanceTimersByTimeAsync(2000);
    expect(await found).toEqual(nothing);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe("rubbish", () => {
  const own = JSON.stringify({ ...identity, residual: "0.1.0" });

  it.each([
    ["nothing", ""],
    ["half a record", `{"identity": ${own}, "checked": {"conv2d": tr`],
    ["no record", "[]"],
    ["null", "null"],
    ["a number", "7"],
    ["no identity", `{"checked": {"conv2d": true}}`],
    ["lists", `{"identity": ${own}, "checked": ["conv2d"], "tuned": [["a", "b"]]}`],
    ["numbers for words", `{"identity": ${own}, "checked": {"conv2d": 1}, "tuned": {"a": {"b": 1}}}`],
    ["more than there can be", `{"identity": ${own}, "checked": {"conv2d": true}, "more": "${"x".repeat(5e6)}"}`],
  ])("is nothing known: %s", async (_, text) => {
    const cache = { read: async () => text, write: async () => {} };
    expect(await readFindings(cache, identity)).toEqual(nothing);
  });

  it("beside what can be read is left out", async () => {
    const text = `{"identity": ${own}, "checked": {"a": true, "b": "yes", "__proto__": true}, "tuned": {"c": "plain", "d": 1}}`;
    const found = await readFindings({ read: async () => text, write: async () => {} }, identity);
    expect(found.checked.get("a")).toBe(true);
    expect(found.checked.has("b")).toBe(false);
    expect([...found.tuned]).toEqual([["c", "plain"]]);
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  it("a cache that cannot be read knows nothing", async () => {
    const cache = { read: async () => Promise.reject(new Error("no disk")), write: async () => {} };
    expect(await readFindings(cache, identity)).toEqual(nothing);
  });
});
