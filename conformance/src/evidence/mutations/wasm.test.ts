import { wasm } from "@residual/wasm";
import { describe, expect, it, vi } from "vitest";
import { hold } from "../../suite/conform.ts";
import { plan } from "../../suite/plan.ts";
import { type WasmBugs, type WasmSection, wasmMutations } from "./wasm.ts";

/** The currently planted bugs. */
const planted = vi.hoisted((): { bugs: WasmBugs } => ({ bugs: {} }));

vi.mock(import("../../../../packages/wasm/src/convolution/strategies.ts"), async (original) => {
  const modules = await original();
  return {
    ...modules,
    choose(layer, choice) {
      const chosen = modules.choose(layer, choice);
      const { layer: change = (each) => each, kernel = (each) => each, strategies = /./ } = planted.bugs;
      if (!strategies.test(chosen.name)) return chosen;
      return { ...chosen, emit: (placed) => kernel(chosen.emit(change(placed))) };
    },
  };
});

vi.mock(import("../../../../packages/wasm/src/kernels/pools.ts"), async (original) => {
  const pools = await original();
  const changed: typeof pools.maxPool2d = (...given) => pools.maxPool2d(...(planted.bugs.pool?.(...given) ?? given));
  return { ...pools, maxPool2d: changed };
});

vi.mock(import("../../../../packages/wasm/src/kernels/convert.ts"), async (original) => {
  const conversions = await original();
  const changed: typeof conversions.convert = (...given) =>
    conversions.convert(...(planted.bugs.convert?.(...given) ?? given));
  return { ...conversions, convert: changed };
});

vi.mock(import("../../../../packages/wasm/src/lower.ts"), async (original) => {
  const lowering = await original();
  return {
    ...lowering,
    lowerToPlan(...given) {
      const made = lowering.lowerToPlan(...given);
      return planted.bugs.plan?.(made) ?? made;
    },
  };
});

/** The first check of a section that fails with these bugs. An error counts as a failed check. */
async function firstFailure(section: WasmSection, bugs: WasmBugs): Promise<string | undefined> {
  planted.bugs = bugs;
  const task = (await plan({ only: ["ops"] })).find(({ name }) => name === section)!;
  const { held } = await hold(wasm(), {});
  try {
    for await (const { passed, name } of task.run(held)) if (!passed) return name;
  } catch (error) {
    return String(error);
  }
  return undefined;
}

describe("bugs of generated kernels", () => {
  /** The layers of the family pass too, in adapters/wasm.test.ts. */
  it.each<WasmSection>(["by hand", "random shapes"])("without any, %s passes", async (section) => {
    expect(await firstFailure(section, {})).toBeUndefined();
  });

  it.each(wasmMutations.map((each) => [each.bug, each] as const))("%s: is caught", async (_, { bugs, caught }) => {
    expect(await firstFailure(caught, bugs)).toBeDefined();
  });

  it("are in the docs", async () => {
    const text = [
      "# Planted bugs of generated WebAssembly",
      "",
      `${wasmMutations.length} bugs are planted, one at a time, in the kernels and plans of @residual/wasm: most of them in the tails of tiles, in`,
      "borders and in memory. Each has to be caught by the section of level *ops*, quick, that is named here.",
      "`vitest run mutations/wasm -u` in `conformance/` writes this page.",
      "",
      "| bug | caught by |",
      "|---|---|",
      ...wasmMutations.map(({ bug, caught }) => `| ${bug} | ${caught} |`),
      "",
    ].join("\n");
    await expect(text).toMatchFileSnapshot("../../../../docs/planted-bugs-wasm.md");
  });
});
