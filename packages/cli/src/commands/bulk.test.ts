import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { bin, document, ended, photo, residual, root, start, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();
const fixture = ["--weights", "fixture:v1", "--model", "cifar_resnet20", "--backend", "wasm", "--batch", "1"];

it("a job runs, tells how far it is, and goes on with the same options only", async () => {
  const list = folder.in("list.txt");
  await writeFile(list, [photo("chelsea.png"), "missing.png", photo("rocket.jpg")].join("\n"));
  const run = ["bulk", "run", "--input", list, "--output", folder.in("out"), "--shard-size", "2", ...fixture];
  const done = { images: 3, shards: 2, done: { images: 3, shards: 2 }, errors: 1, failed: [] };
  expect(await document([...run, "--shard", "1/2"])).toMatchObject({ done: { images: 1, shards: 1 } });
  expect(await document(run)).toMatchObject(done);
  expect(await document(["bulk", "status", folder.in("out")])).toMatchObject(done);
  const { stdout } = await succeed(["bulk", "retry", folder.in("out")]);
  expect(stdout).toBe(`${folder.in("out")}  3 of 3 pictures, 1 with an error, in 2 of 2 shards\n`);
  const other = await residual([...run, "--top", "3"]);
  expect([other.code, other.stderr]).toEqual([1, expect.stringMatching(/^JobError: .* with another top;/)]);
});

it("the cluster's index chooses the share; without one it is told", async () => {
  const words = ["bulk", "run", "--input", join(root, "photos"), "--shard-size", "2", "--shard", "auto/2", ...fixture];
  const run = (env: { readonly [name: string]: string }) =>
    residual([...words, "--out", folder.in("auto"), "--json"], { env });
  const without = await run({});
  expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("neither JOB_COMPLETION_INDEX nor")]);
  const { stdout } = await run({ JOB_COMPLETION_INDEX: "1" });
  expect(JSON.parse(stdout)).toMatchObject({ done: { images: 1 } });
  expect(await run({ SLURM_ARRAY_TASK_ID: "2" })).toMatchObject({ code: 2 });
});

it("a folder without a job, and a list without a picture, are told", async () => {
  const status = await residual(["bulk", "status", folder.path]);
  expect([status.code, status.stderr]).toEqual([1, expect.stringMatching(/^JobError: .* there is no manifest\.json/)]);
  await writeFile(folder.in("empty.csv"), "image\n");
  const run = ["bulk", "run", "--input", folder.in("empty.csv"), "--out", folder.in("none"), ...fixture];
  const { code, stderr } = await residual(run);
  expect([code, stderr]).toEqual([1, expect.stringContaining("found no picture")]);
});

it("Ctrl-C ends a job with exit code 130; the same command goes on", async () => {
  const list = folder.in("many.txt");
  await writeFile(list, Array.from({ length: 60 }, () => photo("chelsea.png")).join("\n"));
  const run = ["bulk", "run", "--input", list, "--out", folder.in("stopped"), "--shard-size", "2", ...fixture];
  const child = start(process.execPath, [bin, ...run]);
  const result = ended(child);
  while (!existsSync(folder.in("stopped/shard-00001.parquet"))) await pause(10);
  child.kill("SIGINT");
  expect(await result).toMatchObject({ code: 130, stdout: "" });
  const names = await readdir(folder.in("stopped"));
  expect(names.filter((name) => name.includes("residual-"))).toEqual([]);
  expect(await document(run)).toMatchObject({ done: { images: 60 }, errors: 0 });
});
