import { expect, it } from "vitest";
import { loadDecoder, once } from "./load-decoder.ts";

it("a decoder that does not come is an error that says so, and not a damaged picture", async () => {
  const failing = loadDecoder("PNG", () =>
    Promise.reject(new TypeError("Failed to fetch dynamically imported module")),
  );
  await expect(failing).rejects.toHaveProperty("code", "BackendUnavailableError");
  await expect(failing).rejects.toThrow(
    "the decoder of PNG does not load (TypeError: Failed to fetch dynamically imported module); check the network",
  );
});

it("once keeps what came, and tries again what did not", async () => {
  const results = [() => Promise.reject(new Error("offline")), async () => ({ at: 1 }), async () => ({ at: 2 })];
  const load = once(() => results.shift()!());
  await expect(load()).rejects.toThrow("offline");
  const first = await load();
  expect(first).toEqual({ at: 1 });
  expect(await load()).toBe(first);
});
