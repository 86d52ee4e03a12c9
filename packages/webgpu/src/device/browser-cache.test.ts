import { afterEach, describe, expect, it, vi } from "vitest";
import { browserCache } from "./browser-cache.ts";

// A browser's own CacheStorage is tested in browser-cache.browser.test.ts.

afterEach(() => vi.unstubAllGlobals());

const broken = () => Promise.reject(new DOMException("The operation is insecure.", "SecurityError"));

it("is none where there is no CacheStorage, as in Node", () => {
  expect(browserCache()).toBeUndefined();
});

describe("where storage is forbidden", () => {
  it("is none in a sandboxed frame, whose getter throws", () => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "caches");
    Object.defineProperty(globalThis, "caches", {
      configurable: true,
      get: () => {
        throw new DOMException("Cache storage is disabled because the context is sandboxed.", "SecurityError");
      },
    });
    try {
      expect(browserCache()).toBeUndefined();
    } finally {
      if (before) Object.defineProperty(globalThis, "caches", before);
      else Reflect.deleteProperty(globalThis, "caches");
    }
  });

  it.each([
    ["cannot be opened", { open: broken }],
    ["is full", { open: async () => ({ match: async () => undefined, put: broken }) }],
  ])("keeps nothing and throws nothing when it %s", async (_, caches) => {
    vi.stubGlobal("caches", caches);
    await expect(browserCache()!.write("key", "text")).resolves.toBeUndefined();
  });
});
