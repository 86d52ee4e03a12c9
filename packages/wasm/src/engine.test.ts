import { BackendUnavailableError } from "@residual/core";
import { afterEach, expect, it, vi } from "vitest";
import { hasRelaxedSimd } from "./engine.ts";
import { wasm } from "./index.ts";

afterEach(() => vi.unstubAllGlobals());

it("asks the engine for relaxed SIMD, and for SIMD", () => {
  const answers = (...valid: readonly boolean[]) => {
    const validate = vi.fn<() => boolean>();
    for (const each of valid) validate.mockReturnValueOnce(each);
    vi.stubGlobal("WebAssembly", { validate });
    return hasRelaxedSimd;
  };
  expect(answers(true)()).toBe(true);
  expect(answers(false, true)()).toBe(false);
  expect(answers(false, false)).toThrow("the WebAssembly here has no SIMD");
});

it("is unavailable where there is no WebAssembly", async () => {
  vi.stubGlobal("WebAssembly", undefined);
  await expect(wasm().describe()).rejects.toThrow(BackendUnavailableError);
  await expect(wasm().describe()).rejects.toThrow("there is no WebAssembly here");
});
