import { expect, it } from "vitest";
import { excesses } from "./weigh.ts";

const budget = { name: "`load`", code: "", most: { "@residual/core": 24, "@residual/vision": 8.5 } };

it("within the budgets nothing is said", () => {
  expect(excesses(budget, new Map([["@residual/core", 24_000]]))).toEqual([]);
});

it("a package that grew is named, with its size and the whole", () => {
  const weight = new Map([
    ["@residual/core", 24_000],
    ["@residual/vision", 8_600],
  ]);
  expect(excesses(budget, weight)).toEqual([
    "`load`: 32.6 kB compressed, 32.5 kB at most; @residual/vision has grown to 8.6 kB of it, from 8.5 at most",
  ]);
});

it("a package that should be a chunk of its own is named, however small it is", () => {
  expect(excesses(budget, new Map([["@residual/wasm", 40]]))).toEqual([
    "`load`: 0.0 kB compressed, 32.5 kB at most; @residual/wasm has come into it with 0.0 kB: " +
      "import it on demand, or give it a budget",
  ]);
});
