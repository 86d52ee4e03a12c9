import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { expect, it } from "vitest";
import { below, randomOf } from "../random.ts";
import { type Moment, runInChild } from "../testing/kill.ts";

const folder = temporaryFolder();

/** The files of a run, and nothing else: leftovers of a killed write are removed by the next. */
async function filesIn(out: string): Promise<ReadonlyMap<string, Buffer>> {
  const names = (await readdir(out, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  return new Map(await Promise.all(names.map(async (path) => [path.slice(out.length), await readFile(path)] as const)));
}

/** Moments from a seed: `KILLS=20` tries more of them. */
const random = randomOf(20, "order");
const moments = Array.from({ length: Number(process.env.KILLS ?? 4) }, (): Moment => {
  return { events: 1 + below(random, 24), ms: below(random, 40) };
});

it.each(moments)("a run killed after $events events and $ms ms goes on to the same bits", async (moment) => {
  const whole = folder.in("whole");
  if ((await readdir(folder.in())).length === 0) await runInChild(whole);
  const killed = folder.in(`killed-${moment.events}-${moment.ms}`);
  await runInChild(killed, moment);
  await runInChild(killed);
  expect(await filesIn(killed)).toEqual(await filesIn(whole));
});
