import { join } from "node:path";
import { expect, it } from "vitest";
import { inputsPath } from "./job.ts";

it("the files of a shard sort by its number", () => {
  expect(inputsPath({ out: "out" }, 42)).toBe(join("out", "inputs", "00042.jsonl"));
});
