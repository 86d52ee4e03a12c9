import { OutOfMemoryError } from "@residual/core";
import { afterEach, expect, it, vi } from "vitest";
import { allocated, hasRelaxedSimd } from "./platform.ts";

afterEach(() => vi.unstubAllGlobals());

it.each([true, false])("asks the engine for relaxed SIMD: %s", (isValid) => {
  vi.stubGlobal("WebAssembly", { validate: () => isValid });
  expect(hasRelaxedSimd()).toBe(isValid);
});

it("tells memory that the engine refuses, though it is less than 4 GiB, by what needs it", async () => {
  const refuse = () => {
    throw new RangeError("WebAssembly.Memory(): could not allocate memory");
  };
  const made = allocated(1 << 20, "the graph", refuse);
  await expect(made).rejects.toThrow(OutOfMemoryError);
  await expect(made).rejects.toThrow(/^wasm: the graph does not fit into memory \(WebAssembly\.Memory\(\)/);
});

it("hands on what is no matter of memory", async () => {
  await expect(allocated(1, "the graph", () => Promise.reject(new TypeError("no")))).rejects.toThrow(TypeError);
});
