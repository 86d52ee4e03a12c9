import { DeviceLostError, FormatError, ResidualError, UnsupportedError } from "@residual/core";
import { expect, it } from "vitest";
import { RequestError, retryAfterOf, shownError, statusOf } from "./errors.ts";
import { askerOf, inferBody, posted, serviceOf, sums } from "./testing/sums.ts";

/** Errors of a scheduler, as it may define them: their codes are all that counts. */
class OverloadedError extends ResidualError {
  readonly code = "OverloadedError";
  readonly retryAfter = 7;
}

class UnavailableError extends ResidualError {
  readonly code = "UnavailableError";
}

it.each([
  [new RequestError(413, "x"), 413],
  [new FormatError("x"), 415],
  [new UnsupportedError("x"), 422],
  [new DeviceLostError("x"), 503],
  [new OverloadedError("x"), 503],
  [new UnavailableError("x"), 503],
  [new TypeError("x"), 500],
  ["x", 500],
])("the status of %o is %i", (error, status) => {
  expect(statusOf(error)).toBe(status);
});

it("an overload says when to try again, others do not", () => {
  expect(retryAfterOf(new OverloadedError("x"))).toBe(7);
  expect(retryAfterOf(new DeviceLostError("x"))).toBeUndefined();
});

it("clients learn nothing of faults", () => {
  expect(shownError(new TypeError("secret")).error).not.toContain("secret");
});

it.each([
  [new OverloadedError("full"), "7"],
  [new UnavailableError("gone"), "1"],
])("a model's %o is answered 503 with Retry-After", async (error, seconds) => {
  const models = new Map([["sums", { ...sums, infer: () => Promise.reject(error) }]]);
  const { status, headers, body } = await askerOf(serviceOf({ models }))("/v2/models/sums/infer", posted(inferBody()));
  expect([status, headers.get("Retry-After"), body]).toEqual([
    503,
    seconds,
    { error: error.message, code: error.code },
  ]);
});
