import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { conforms } from "../src/vitest.ts";
import { toy } from "./toy-backend.ts";

await conforms(toy, {
  models: ["cifar_resnet20"],
  only: ["ops", "nodes", "behaviour"],
  without: ["ops/layers of the family", "behaviour/life"], // minutes in float64, which it computes in
});

it("is under 60 lines, without a cast", () => {
  const source = readFileSync(new URL("toy-backend.ts", import.meta.url), "utf8");
  expect(source.split("\n").length).toBeLessThanOrEqual(60);
  expect(source).not.toMatch(/\bas\b|\bany\b/);
});
