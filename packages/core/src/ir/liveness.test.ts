import fc from "fast-check";
import { expect, it } from "vitest";
import { type Step, spentAfter } from "./liveness.ts";

it("a value is spent after its last reader, one that nobody reads after its own step", () => {
  const steps = [
    { reads: ["x"], writes: "a" },
    { reads: ["a", "x"], writes: "b" },
    { reads: ["a"], writes: "unread" },
    { reads: ["b", "a", "b"], writes: "y" },
  ];
  expect(spentAfter(steps, ["y"])).toEqual([[], ["x"], ["unread"], ["b", "a"]]);
});

it("what outlives the program is never spent", () => {
  const steps = [{ reads: ["weight"], writes: "y" }];
  expect(spentAfter(steps, ["weight", "y"])).toEqual([[]]);
});

/** Programs whose step i writes the value i, and reads earlier ones. */
const programs = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { maxLength: 20 })
  .map((reads) =>
    reads.map((each, i): Step<number> => ({ reads: i === 0 ? [] : each.map((value) => value % i), writes: i })),
  );

it("nothing is read after it was spent, and all but what is kept is spent once", () => {
  fc.assert(
    fc.property(programs, fc.array(fc.nat({ max: 19 })), (steps, kept) => {
      const gone = new Set<number>();
      for (const [at, spent] of spentAfter(steps, kept).entries()) {
        for (const value of steps[at]!.reads) expect(gone.has(value)).toBe(false);
        for (const value of spent) {
          expect(gone.has(value)).toBe(false);
          gone.add(value);
        }
      }
      const rest = steps.map(({ writes }) => writes).filter((value) => !gone.has(value));
      expect(rest.every((value) => kept.includes(value))).toBe(true);
    }),
  );
});
