import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { fuzz } from "./testing/fuzz/fuzz.ts";
import { running } from "./testing/running.ts";

const requestTimeout = 1000;
const server = await running({ requestTimeout, grpcPort: false });
const port = Number(new URL(server.url).port);

const openFiles = () => readdirSync("/proc/self/fd").length;

it("answers 2,000 seeded requests with 2xx or 4xx, each in time, and holds nothing afterwards", async () => {
  const options = { port, timeout: 20_000, pause: 2 * requestTimeout };
  await fuzz({ ...options, first: 5000, end: 5100 });
  const before = openFiles();
  const { counts, failures } = await fuzz({ ...options, end: 2000 });
  expect(failures).toEqual([]);
  for (const status of ["200", "400", "404", "405", "408", "413", "415", "422", "431"])
    expect(counts.get(status), `how many ${status}`).toBeGreaterThan(0);
  await expect.poll(openFiles, { timeout: 10_000 }).toBeLessThanOrEqual(before);
  expect(await (await fetch(`${server.url}/v2/health/ready`)).json()).toEqual({ ready: true });
});
