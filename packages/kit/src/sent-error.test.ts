import { FormatError, ShapeError } from "@residual/core";
import { expect, it } from "vitest";
import { errorOf, sentError } from "./sent-error.ts";

const passed = (error: unknown) => errorOf(structuredClone(sentError(error)));

it("errors keep their class, message and label on the way to another thread", () => {
  const [format, shape] = [passed(new FormatError("cut")), passed(new ShapeError("a.B1", "found 3"))];
  expect(format).toBeInstanceOf(FormatError);
  expect(format.message).toBe("cut");
  expect(shape).toBeInstanceOf(ShapeError);
  expect(shape).toMatchObject({ message: "found 3 (a.B1)", label: "a.B1" });
});

it("errors of others keep message and stack, and what is no error becomes one", () => {
  const error = new TypeError("odd");
  expect(passed(error)).toMatchObject({ message: "odd", stack: error.stack });
  expect(passed("text")).toMatchObject({ message: "text" });
});
