import { expect, it } from "vitest";
import { withDeviations } from "./deviations.ts";
import type { Check } from "./report/types.ts";

const section = { level: "ops", name: "special values" } as const;
const of = (name: string, because: string) => ({ case: `ops/special values/${name}`, because });
const wrong: Check = { name: "NaN", passed: false, share: Infinity, message: "got 3" };
const right: Check = { name: "zero", passed: true, share: 0 };

it("a known deviation passes with its reason, and keeps what was found", () => {
  const found = withDeviations(section, [wrong, right], [of("NaN", "the runtime drops it")]);
  expect(found).toEqual([{ ...wrong, passed: true, because: "the runtime drops it" }, right]);
});

it("one that deviates no longer fails", () => {
  const [found] = withDeviations(section, [right], [of("zero", "once it did")]);
  expect(found).toMatchObject({ passed: false, because: "once it did" });
  expect(found!.message).toContain("deviates no longer");
});

it("one that names no check of its section fails; one of another section is not looked at", () => {
  const found = withDeviations(
    section,
    [right],
    [of("zeros", "misspelt"), { case: "nodes/resnet18/x", because: "elsewhere" }],
  );
  expect(found).toEqual([right, expect.objectContaining({ name: "zeros", passed: false })]);
});
