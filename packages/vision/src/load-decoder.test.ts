import { expect, it } from "vitest";
import { loadDecoder } from "./load-decoder.ts";

it("a decoder that does not come is an error that says so, and not a damaged picture", async () => {
  const failing = loadDecoder("PNG", () =>
    Promise.reject(new TypeError("Failed to fetch dynamically imported module")),
  );
  await expect(failing).rejects.toHaveProperty("code", "BackendUnavailableError");
  await expect(failing).rejects.toThrow(
    "the decoder of PNG does not load (TypeError: Failed to fetch dynamically imported module); check the network",
  );
});
