import { readFileSync } from "node:fs";
import { UnsupportedError } from "@residual/core";
import { afterEach, expect, it, vi } from "vitest";
import { newMemory } from "./pixel-memory.ts";

declare const WebAssembly: { compile(bytes: Uint8Array<ArrayBuffer>): Promise<object> };

afterEach(() => vi.restoreAllMocks());

const photo = readFileSync(new URL("../../../photos/rocket.jpg", import.meta.url));

/** Modules of a process that has decoded nothing. */
async function fresh() {
  vi.resetModules();
  const { decodePortably } = await import("./portable.ts");
  const platform = { refusal: () => new UnsupportedError(""), otherwise: "", codecAdvice: "compile it ahead" };
  const options = { maxPixels: 1e9, upright: false, platform, allocate: newMemory };
  const decode = async () => (await decodePortably(photo, "JPEG", options)).data;
  return { ...(await import("./set-codec.ts")), decode };
}

it("a decoder that is handed over decodes where nothing may be compiled", async () => {
  const expected = await (await fresh()).decode();
  const { codecBytes, setCodec, decode } = await fresh();
  const module = await WebAssembly.compile(await codecBytes("JPEG"));
  vi.spyOn(WebAssembly, "compile").mockRejectedValue(new Error("disallowed by embedder"));
  await expect(decode()).rejects.toThrow("the decoder of JPEG does not load (Error: disallowed by embedder); compile");
  setCodec("JPEG", module);
  expect(await decode()).toEqual(expected);
});

it("another format's decoder is refused, and what is no module", async () => {
  const { codecBytes, setCodec, decode } = await fresh();
  setCodec("JPEG", await WebAssembly.compile(await codecBytes("WebP")));
  await expect(decode()).rejects.toThrow(/^the decoder of JPEG does not load \(.*\); compile it ahead$/);
  await expect(decode()).rejects.toHaveProperty("code", "BackendUnavailableError");
  expect(() => setCodec("JPEG", new Uint8Array(8))).toThrow("expected a WebAssembly.Module of codecBytes");
});
