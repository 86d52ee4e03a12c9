import { BackendUnavailableError, type Graph, UnsupportedError } from "@residual/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ModuleBuilder } from "./encode/module.ts";
import { compileModule } from "./engine.ts";
import { type WasmOptions, wasm, wasmModule } from "./index.ts";
import { bitsOf, imageOf, residual, wide } from "./testing/graphs.ts";

declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

afterEach(() => vi.restoreAllMocks());

/** As on a platform that compiles nothing at run time. */
function forbidCompiling(): void {
  vi.spyOn(WebAssembly, "compile").mockRejectedValue(new Error("code generation is disallowed"));
}

describe("a module made ahead", () => {
  it.each<[string, Pick<WasmOptions, "winograd" | "instructions">]>([
    ["by default", {}],
    ["without relaxed SIMD", { instructions: "mul and add" }],
    ["without Winograd", { winograd: false }],
  ])("gives the bits that compiling gives: %s", async (_, options) => {
    const graph = residual(20);
    const image = imageOf(2, 20);
    await using compiled = await wasm({ ...options, worker: false }).compile(graph);
    const expected = await compiled.run({ image });
    const module = await compileModule(wasmModule([graph], options));
    forbidCompiling();
    await using executable = await wasm({ module }).compile(graph);
    expect(bitsOf((await executable.run({ image })).logits)).toEqual(bitsOf(expected.logits));
  });

  it("holds the kernels of several graphs, each once", async () => {
    const graphs: readonly Graph[] = [residual(8), wide(8, 2)];
    const bytes = wasmModule(graphs);
    expect(wasmModule([...graphs, ...graphs])).toEqual(bytes);
    const module = await compileModule(bytes);
    forbidCompiling();
    for (const graph of graphs) await (await wasm({ module }).compile(graph)).dispose();
  });

  it("is described by how it was made", async () => {
    const options = { instructions: "mul and add", winograd: false } as const;
    const module = await compileModule(wasmModule([residual(8)], options));
    const { driver, algorithms } = await wasm({ module }).describe();
    expect([driver, algorithms]).toEqual(["SIMD without relaxed, 1 thread, compiled ahead", undefined]);
  });
});

describe("refuses", () => {
  const made = () => compileModule(wasmModule([residual(8)]));

  it.each<[string, Graph]>([
    ["of another size", residual(9)],
    ["of another batch", residual(8, 4, 2)],
    ["of other layers", wide(8, 1)],
  ])("a graph %s", async (_, graph) => {
    const compiling = wasm({ module: await made() }).compile(graph);
    await expect(compiling).rejects.toThrow(BackendUnavailableError);
    await expect(compiling).rejects.toThrow(
      /has no kernel ".*", so it was made for another graph; make it for this one/,
    );
  });

  it("a module of another version, of somebody else's, and what is no module", async () => {
    const target = { instructions: "mul and add", isShared: false } as const;
    const stamp = { version: "0.0.1", instructions: "mul and add", winograd: true };
    const old = new ModuleBuilder(target).encode({ name: "residual", text: JSON.stringify(stamp) });
    const stale = await compileModule(old);
    expect(() => wasm({ module: stale })).toThrow(BackendUnavailableError);
    expect(() => wasm({ module: stale })).toThrow("was made by version 0.0.1 of @residual/wasm, and this is 0.1.0");
    for (const text of [undefined, "", "null", "{}", '"0.1.0"']) {
      const custom = text === undefined ? undefined : { name: "residual", text };
      const foreign = await compileModule(new ModuleBuilder(target).encode(custom));
      expect(() => wasm({ module: foreign })).toThrow("`module` was not made by wasmModule()");
    }
    expect(() => wasm({ module: new Uint8Array(8) })).toThrow(UnsupportedError);
    expect(() => wasm({ module: new Uint8Array(8) })).toThrow("expected a WebAssembly.Module");
  });

  it("options that the module has settled", async () => {
    const module = await made();
    for (const other of [{ winograd: false }, { threads: 2 }, { worker: true }])
      expect(() => wasm({ module, ...other })).toThrow("is settled by how `module` was made");
  });
});
