import { expect, it } from "vitest";
import { version } from "./version.ts";

it("is that of package.json", async () => {
  const { default: manifest } = await import("../package.json", { with: { type: "json" } });
  expect(manifest).toMatchObject({ version });
});
