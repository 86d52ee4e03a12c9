import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { POST } from "../../apps/next-route/app/classify/route.ts";
import { expectAnswers, type Send, sendTo } from "./http.ts";
import { folderOf, Program } from "./starter.ts";

/** Next.js is 300 MB: it is installed in a copy of the starter (scripts/tarballs/starters.ts), not in the workspace. */
const isInstalled = existsSync(join(folderOf("next-route"), "node_modules/next"));

/** The route's function, called as Next.js calls it. */
const called: Send = (body, length) => {
  const headers = { "content-length": `${length}` };
  return POST(new Request("http://localhost/classify", { method: "POST", body, headers }));
};

/** The route, built and served by Next.js. */
async function served(): Promise<Send> {
  const build = new Program("next-route", "build");
  expect(await build.ended(), build.said).toBe(0);
  expect(build.said).not.toMatch(/warn|⚠|reconfigured/i);
  const program = new Program("next-route", "start");
  onTestFinished(async () => expect(await program.stop()).toBe(130));
  return sendTo(`${await program.url()}/classify`);
}

it("answers pictures", async () => {
  await expectAnswers(isInstalled ? await served() : called);
});
