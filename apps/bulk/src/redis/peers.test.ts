import { expect, it } from "vitest";
import { peer } from "./peers.ts";

it("names the command that installs a missing package", async () => {
  const missing = () => import(`${"a-package"}-that-is-missing`);
  await expect(peer(missing, "bullmq", "npm install bullmq ioredis")).rejects.toThrow(
    /^bullmq does not load \(.+\); npm install bullmq ioredis$/,
  );
});
