import { AbortError, UnsupportedError } from "@residual/core";
import { expect, it } from "vitest";
import { fewAborted, loadSession } from "./load-session.ts";
import type { OpenSession } from "./shared-thread.ts";

/** A session whose load fails, and which closes when it is told. */
async function failing(error: Error): Promise<{ readonly end: () => void }> {
  let end = () => {};
  const closed = new Promise<void>((resolve) => {
    end = resolve;
  });
  const session: Partial<OpenSession> = { close: () => closed };
  const load = loadSession(session as OpenSession, () => Promise.reject(error));
  if (!(error instanceof AbortError)) end();
  await expect(load).rejects.toBe(error);
  return { end };
}

async function hasRoom(): Promise<boolean> {
  return Promise.race([fewAborted().then(() => true), new Promise<false>((resolve) => setImmediate(resolve, false))]);
}

it("an abort answers at once, and the load after next waits for what is still under way", async () => {
  await failing(new UnsupportedError("no")); // closed before it answers
  const first = await failing(new AbortError("stop"));
  expect(await hasRoom()).toBe(true);
  const second = await failing(new AbortError("stop"));
  expect(await hasRoom()).toBe(false);
  first.end();
  expect(await hasRoom()).toBe(true);
  second.end();
});
