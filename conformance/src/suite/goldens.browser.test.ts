import { FormatError, reference } from "@residual/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { conform } from "./conform.ts";
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
      /golden\/infer\/index\.json: found no file with PyTorch's answers; give the URL of a copy .* option goldens$/,
    );
  });

  it("are looked for where the page says", async () => {
    missing(() => new Response("not found", { status: 404 }));
    const goldens = new URL("/assets/pytorch", import.meta.url);
    await expect(conform(reference, { goldens, only: ["models"] })).rejects.toThrow(
      /\/assets\/pytorch\/infer\/index\.json: found no file/,
    );
  });

  it("are no error where they are there", async () => expect((await modelGoldenIds()).length).toBeGreaterThan(30));
});
