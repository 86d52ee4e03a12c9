import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { POST } from "../../apps/next-route/app/classify/route.ts";
import { type Body, expectAnswers } from "./http.ts";
import { folderOf, Program } from "./starter.ts";

/** Next.js is 300 MB: it is installed in a copy of the starter (scripts/tarballs/starters.ts), not in the workspace. */
const isInstalled = existsSync(join(folderOf("next-route"), "node_modules/next"));

/** The route's function, called as Next.js calls it. */
function called(body: Body): Promise<Response> {
  const headers = { "content-length": `${body.length}` };
  return POST(new Request("http://localhost/classify", { method: "POST", body, headers }));
}

/** The route, built and served by Next.js. */
async function served(): Promise<(body: Body) => Promise<Response>> {
  const build = new Program("next-route", "build");
  expect(await build.ended(), build.said).toBe(0);
  expect(build.said).not.toMatch(/warn|⚠|reconfigured/i);
  const program = new Program("next-route", "start");
  onTestFinished(async () => expect(await program.stop()).toBe(130));
  const url = `${await program.url()}/classify`;
  return (body) => fetch(url, { method: "POST", body });
}

it("answers pictures", async () => {
  await expectAnswers(isInstalled ? await served() : called);
});
