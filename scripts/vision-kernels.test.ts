import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { kernelsModule, kernelsPath } from "./vision-kernels.ts";

it("packages/vision/src/simd/kernels-bytes.ts is what kernels.wat gives", async () => {
  const text = readFileSync(kernelsPath, "utf8");
  expect(text).toBe(await kernelsModule());
  const bytes = Buffer.from([...text.matchAll(/"(.*)"/g)].map(([, part]) => part).join(""), "base64");
  expect(bytes.length).toBeLessThan(4096); // so that pages may compile it without waiting
});
