import { expect, it } from "vitest";
import { toJunit } from "./junit.ts";
import { sample } from "./testing/sample.ts";

/** The part of the DOM that this test uses: the packages are type-checked without the DOM. */
declare class DOMParser {
  parseFromString(
    text: string,
    type: "text/xml",
  ): {
    querySelector(selector: string): object | null;
    querySelectorAll(selector: string): { readonly length: number };
  };
}

it("JUnit XML is made in a page too", () => {
  const parsed = new DOMParser().parseFromString(toJunit(sample()), "text/xml");
  expect(parsed.querySelector("parsererror")).toBeNull();
  expect(parsed.querySelectorAll("testcase").length).toBeGreaterThan(0);
});
