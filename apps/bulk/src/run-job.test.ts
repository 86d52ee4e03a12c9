import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { photos, temporaryFolder } from "@residual/kit/testing/folder";
import { shardPath } from "@residual/shards";
import { expect, it } from "vitest";
import { type Job, jobStatus, prepareJob, runJob } from "./index.ts";

const folder = temporaryFolder();
const shared = { backend: "wasm", batch: 4, shardSize: 4, weights: "fixture:v1", model: "cifar_resnet20" } as const;

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

const program = fileURLToPath(new URL("./testing/run.ts", import.meta.url));

/** A process that runs a job. */
function start(job: Job): ChildProcess {
  return spawn(process.execPath, ["--conditions=@residual/source", program, job.out], { stdio: "ignore" });
}

/** Waits until the given number of shards is finished. */
async function finished(job: Job, count: number): Promise<void> {
  while ((await jobStatus(job)).done.shards < count) await pause(5);
}

it("a run that is killed in mid shard goes on to the bytes of an undisturbed run", async () => {
  const input = [await listOf(72)];
  const undisturbed = await prepareJob({ ...shared, input, out: folder.in("undisturbed") });
  await runJob(undisturbed, { workers: 1 });
  const job = await prepareJob({ ...shared, input, out: folder.in("killed") });
  const child = start(job);
  const ended = once(child, "exit");
  await finished(job, 5);
  child.kill("SIGKILL");
  await ended;
  expect((await jobStatus(job)).done.shards).toBeLessThan(job.manifest.shards);
  await appendFile(join(job.out, "journal.jsonl"), '{"shard":17,"rows":4,"err'); // a line that a crash tore
  const seen: number[] = [];
  await runJob(job, { workers: 2, onProgress: ({ done }) => seen.push(done) });
  expect(await shardsOf(job)).toEqual(await shardsOf(undisturbed));
  expect(await readFile(join(job.out, "manifest.json"))).toEqual(
    await readFile(join(undisturbed.out, "manifest.json")),
  );
  expect(await jobStatus(job)).toMatchObject({ done: { images: 72, shards: 18 }, failed: [] });
  expect(seen.at(-1)).toBe(72);
  expect((await readdir(job.out)).filter((name) => name.includes("residual-"))).toEqual([]);
});

it("a job runs once at a time", async () => {
  const job = await prepareJob({ ...shared, input: [await listOf(36)], out: folder.in("twice") });
  const child = start(job);
  const ended = once(child, "exit");
  await finished(job, 1);
  child.kill("SIGSTOP");
  await expect(runJob(job)).rejects.toThrow(/another process runs this job/);
  child.kill("SIGKILL");
  await ended;
  await runJob(job); // the lock of a process that has ended holds nobody up
  expect((await jobStatus(job)).done.images).toBe(36);
});

it("shares divide the shards of a job", async () => {
  const input = [await listOf(18)];
  const whole = await prepareJob({ ...shared, input, out: folder.in("whole") });
  await runJob(whole, { workers: 1 });
  const job = await prepareJob({ ...shared, input, out: folder.in("shared") });
  await runJob(job, { share: { index: 1, count: 2 }, workers: 1 });
  expect(await jobStatus(job)).toMatchObject({ done: { shards: 2, images: 8 } });
  await runJob(job, { share: { index: 0, count: 2 }, workers: 1 });
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
  const job = await prepareJob({ ...shared, input: [await listOf(48)], out: folder.in("aborted") });
  const stop = new AbortController();
  const onProgress = ({ done }: { readonly done: number }) => done > 10 && stop.abort();
  await expect(runJob(job, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: "AbortError" });
  const { done } = await jobStatus(job);
  expect(done.shards).toBeLessThan(12);
  expect((await readdir(job.out)).filter((name) => name.includes("residual-"))).toEqual([]);
  await rm(join(job.out, "inputs"), { recursive: true });
  await expect(runJob(job)).rejects.toMatchObject({ code: "FormatError" });
});

it("a file that cannot be written is a typed error; no partial file stays, and the job resumes", async () => {
  const options = { ...shared, format: "jsonl", outputs: ["embedding"], input: [await listOf(12)] } as const;
  const job = await prepareJob({ ...options, out: folder.in("full") });
  const limited = 'ulimit -f 4; exec "$@"'; // the most blocks of a file: writes fail as on a full disk
  const words = ["sh", process.execPath, "--conditions=@residual/source", program, job.out];
  const child = spawn("sh", ["-c", limited, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  const [said] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect(said).toMatch(
    /^FormatError: .*shard-0000\d\.jsonl: it cannot be written \(EFBIG: file too large, write\); check/,
  );
  expect((await readdir(job.out)).filter((name) => /shard|residual-/.test(name))).toEqual([]);
  await runJob(job, { workers: 1 });
  expect(await jobStatus(job)).toMatchObject({ done: { images: 12 }, failed: [] });
});

it("an output folder that cannot be made is a typed error", async () => {
  const made = prepareJob({ ...shared, input: [photos], out: "/proc/residual" });
  await expect(made).rejects.toMatchObject({ code: "FormatError" });
});

/** Sends a signal to the worker processes of a job, once to each process, until there were `count`. */
async function killWorkers(job: Job, count: number, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
  const killed = new Set<string>();
  while (killed.size < count) {
    const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,args="]);
    const workers = stdout.split("\n").filter((line) => line.includes("worker.ts") && line.includes(job.out));
    for (const pid of workers.map((line) => line.trim().split(" ")[0]!)) {
      if (!killed.has(pid)) process.kill(Number(pid), signal);
      killed.add(pid);
    }
    await pause(20);
  }
}

it("a shard whose worker process ends three times is set aside until it is retried; the others go on", async () => {
  const job = await prepareJob({ ...shared, input: [await listOf(12)], out: folder.in("poison") });
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  await Promise.all([runJob(job, { workers: 1, onWarning }), killWorkers(job, 3)]);
  expect(warnings).toHaveLength(3);
  expect(warnings[2]).toMatch(/shard 0: its worker process has ended \(SIGKILL\); it is set aside, and bulk retry/);
  await runJob(job, { workers: 1 });
  expect(await jobStatus(job)).toMatchObject({ done: { shards: 2 }, failed: [{ shard: 0, code: "DeviceLostError" }] });
  await runJob(job, { workers: 1, retry: true });
  expect(await jobStatus(job)).toMatchObject({ done: { shards: 3 }, failed: [] });
});

it("the SIGTERM of a service that is stopped, which reaches the workers too, costs no shard an attempt", async () => {
  const job = await prepareJob({ ...shared, input: [await listOf(240)], out: folder.in("stopped") });
  const warnings: string[] = [];
  const running = runJob(job, { workers: 1, onWarning: (message) => warnings.push(message) });
  await finished(job, 1);
  await Promise.all([running, killWorkers(job, 1, "SIGTERM")]);
  expect(warnings).toEqual([]);
  expect((await jobStatus(job)).done.images).toBe(240);
});
