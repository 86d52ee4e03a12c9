import { FormatError } from "@residual/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { modelGoldenIds } from "./goldens.ts";

afterEach(() => vi.unstubAllGlobals());

const missing = (answer: () => Response) => vi.stubGlobal("fetch", async () => answer());

describe("answers that a page is not served", () => {
  it.each([
    ["a 404", () => new Response("not found", { status: 404 })],
    ["a page in their place", () => new Response("<title>app</title>", { headers: { "Content-Type": "text/html" } })],
  ])("are an error that says how: %s", async (_, answer) => {
    missing(answer);
    await expect(modelGoldenIds()).rejects.toThrow(FormatError);
    await expect(modelGoldenIds()).rejects.toThrow(
      /index\.json: found no file with PyTorch's answers; serve .* beside/,
    );
  });

  it("are no error where they are there", async () => expect((await modelGoldenIds()).length).toBeGreaterThan(30));
});
