import { expect, it } from "vitest";
import { serve } from "./index.ts";

it("says that it lives", async () => {
  await using server = await serve({ port: 0 });
  const answer = await fetch(`${server.url}/v2/health/live`);
  expect([answer.status, await answer.json()]).toEqual([200, { live: true }]);
});
