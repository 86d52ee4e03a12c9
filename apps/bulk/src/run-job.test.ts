import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { type Job, jobStatus, prepareJob, runJob, shardPath } from "./index.ts";
import { photos, temporaryFolder } from "./testing/folder.ts";

const folder = temporaryFolder();
const shared = { backend: "wasm", batch: 2, shardSize: 4, weights: "fixture:v1", model: "cifar_resnet20" } as const;

/** A list of many pictures, so that a run takes a while. */
async function listOf(count: number): Promise<string> {
  const path = folder.in(`${count}.txt`);
  const names = ["chelsea.png", "rocket.jpg", "missing.png"];
  await writeFile(path, Array.from({ length: count }, (_, at) => join(photos, names[at % 3]!)).join("\n"));
  return path;
}

async function shardsOf(job: Job): Promise<readonly Buffer[]> {
  return Promise.all(Array.from({ length: job.manifest.shards }, (_, shard) => readFile(shardPath(job, shard))));
}

/** A process that runs a job. */
function start(job: Job): ChildProcess {
  const program = fileURLToPath(new URL("./testing/run.ts", import.meta.url));
  return spawn(process.execPath, ["--conditions=@residual/source", program, job.out], { stdio: "ignore" });
}

/** Waits until so many shards of a job are finished. */
async function finished(job: Job, count: number): Promise<void> {
  while ((await jobStatus(job)).done.shards < count) await pause(5);
}

it("a run that is killed in mid shard goes on to the bytes of an undisturbed run", async () => {
  const input = [await listOf(120)];
  const undisturbed = await prepareJob({ ...shared, input, out: folder.in("undisturbed") });
  await runJob(undisturbed, { workers: 1 });
  const job = await prepareJob({ ...shared, input, out: folder.in("killed") });
  for (const count of [3, 9]) {
    const child = start(job);
    const ended = once(child, "exit");
    await finished(job, count);
    child.kill("SIGKILL");
    await ended;
    expect((await jobStatus(job)).done.shards).toBeLessThan(job.manifest.shards);
  }
  await appendFile(join(job.out, "journal.jsonl"), '{"shard":29,"rows":4,"err'); // a line that a crash tore
  const seen: number[] = [];
  await runJob(job, { workers: 2, onProgress: ({ done }) => seen.push(done) });
  expect(await shardsOf(job)).toEqual(await shardsOf(undisturbed));
  expect(await readFile(join(job.out, "manifest.json"))).toEqual(
    await readFile(join(undisturbed.out, "manifest.json")),
  );
  expect(await jobStatus(job)).toMatchObject({ done: { images: 120, shards: 30 }, failed: [] });
  expect(seen.at(-1)).toBe(120);
  expect((await readdir(job.out)).filter((name) => name.includes("residual-"))).toEqual([]);
});

it("a job runs once at a time", async () => {
  const job = await prepareJob({ ...shared, input: [await listOf(90)], out: folder.in("twice") });
  const child = start(job);
  const ended = once(child, "exit");
  await finished(job, 1);
  child.kill("SIGSTOP");
  await expect(runJob(job)).rejects.toThrow(/another process runs this job/);
  child.kill("SIGKILL");
  await ended;
  await runJob(job); // the lock of a process that has ended holds nobody up
  expect((await jobStatus(job)).done.images).toBe(90);
});

it("shares divide the shards of a job", async () => {
  const input = [await listOf(18)];
  const whole = await prepareJob({ ...shared, input, out: folder.in("whole") });
  await runJob(whole);
  const job = await prepareJob({ ...shared, input, out: folder.in("shared") });
  await runJob(job, { share: { index: 1, count: 2 } });
  expect(await jobStatus(job)).toMatchObject({ done: { shards: 2, images: 8 } });
  await runJob(job, { share: { index: 0, count: 2 } });
  expect(await shardsOf(job)).toEqual(await shardsOf(whole));
  await expect(runJob(job, { share: { index: 2, count: 2 } })).rejects.toThrow(/share 2\/2: expected i\/n/);
});

it("a picture that changes after it was listed is told by its row", async () => {
  await mkdir(folder.in("changing"));
  const names = ["a.png", "b.png"].map((name) => folder.in("changing", name));
  for (const name of names) await copyFile(join(photos, "chelsea.png"), name);
  const job = await prepareJob({
    ...shared,
    format: "jsonl",
    input: [folder.in("changing")],
    out: folder.in("changed"),
  });
  await copyFile(join(photos, "coffee.png"), names[1]!);
  await runJob(job, { workers: 1 });
  const rows = (await readFile(shardPath(job, 0), "utf8")).split("\n");
  expect(rows[0]).toContain('"error":null');
  expect(rows[1]).toMatch(/"error":"ChangedError","message":".*had 240512 bytes of .*, and has 466706 bytes of/);
});

it("an aborted run leaves no half of a shard, and a list that is gone is a typed error", async () => {
  const job = await prepareJob({ ...shared, input: [await listOf(60)], out: folder.in("aborted") });
  const stop = new AbortController();
  const onProgress = ({ done }: { readonly done: number }) => done > 10 && stop.abort();
  await expect(runJob(job, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: "AbortError" });
  const { done } = await jobStatus(job);
  expect(done.shards).toBeLessThan(15);
  expect((await readdir(job.out)).filter((name) => name.includes("residual-"))).toEqual([]);
  await rm(join(job.out, "inputs"), { recursive: true });
  await expect(runJob(job)).rejects.toMatchObject({ code: "FormatError" });
});
