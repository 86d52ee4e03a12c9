import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./testing/folder.ts";
import { bin, ended, start } from "./testing/residual.ts";

const folder = temporaryFolder();
const missing = !existsSync("/proc/self/status");
if (missing) console.warn("SKIPPED: Ctrl-C; these tests watch processes through Linux's /proc");

beforeAll(async () => {
  await mkdir(folder.in("out"));
  await mkdir(folder.in("tmp"));
  const records = Buffer.alloc(400 * 3073);
  for (let i = 0; i < records.length; i++) records[i] = i % 3073 === 0 ? 3 : (i * 7919) % 256;
  await writeFile(folder.in("noise.bin"), records);
});

/** Seconds of CPU that a process has had: 100 ticks each, of user and system; 0 once it is gone. Source: proc(5). */
function secondsOf(pid: number): number {
  if (!existsSync(`/proc/${pid}/stat`)) return 0;
  const [user, system] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ").slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);

/** Gone, or a zombie that nobody has asked after. */
function isOver(pid: number): boolean {
  try {
    return /^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return true;
  }
}

/** The test's own timeout ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}

const residual = (...words: string[]): ChildProcess =>
  start(process.execPath, [bin, ...words], { cwd: folder.in("out"), env: { TMPDIR: folder.in("tmp") } });

/**
 * A benchmark's processes, once there are so many and one is well into its work. They come and go while loads are
 * measured.
 */
async function atWork(benchmark: number, count: number): Promise<readonly number[]> {
  let children: readonly number[] = [];
  await until(() => {
    children = childrenOf(benchmark).filter((pid) => !isOver(pid));
    return children.length === count && children.some((pid) => secondsOf(pid) > INTO_THE_WORK);
  });
  return children;
}

/** CPU time: more than all of the start takes, much less than the work does. */
const INTO_THE_WORK = 2;

describe.skipIf(missing)("Ctrl-C", () => {
  it.each([
    ["eval", ["eval", "cifar_resnet20", "--data", "../noise.bin", "--backend", "reference"]],
    [
      "run",
      [
        "run",
        "resnet50",
        "--weights",
        "fixture:v1",
        "--input",
        "fixture:v1",
        "--backend",
        "reference",
        "--out",
        "x.safetensors",
      ],
    ],
  ])("ends %s in mid work, in a line, and leaves nothing", async (_, words) => {
    const child = residual(...words, "--json");
    const end = ended(child);
    await until(() => secondsOf(child.pid!) > INTO_THE_WORK);
    expect(child.exitCode, "it is still at work").toBe(null);
    child.kill("SIGINT");
    expect(await end).toEqual({ stdout: "", stderr: "AbortError: stopped by Ctrl-C\n", code: 130 });
    expect(await readdir(folder.in("out"))).toEqual([]);
  });

  it("ends a benchmark with its processes and its temporary files", async () => {
    const child = residual(
      "bench",
      "cifar_resnet110",
      "--backends",
      "onnx,reference",
      "--loads",
      "1",
      "--rounds",
      "1000",
    );
    const end = ended(child);
    const children = await atWork(child.pid!, 2);
    expect(children.map(isOver)).toEqual([false, false]);
    for (const pid of [child.pid!, ...children]) process.kill(pid, "SIGINT"); // as a terminal does
    expect(await end).toEqual({ stdout: "", stderr: "AbortError: stopped by Ctrl-C\n", code: 130 });
    await until(() => children.every(isOver));
    expect(await readdir(folder.in("tmp"))).toEqual([]);
  });

  it("twice ends it at once, whatever it is at", async () => {
    const program = `import { stopper } from ${JSON.stringify(new URL("./stop.ts", import.meta.url).href)};
      stopper().signal.addEventListener("abort", () => process.stdout.write("stopping "));
      setInterval(() => {}, 1000);
      process.stdout.write("ready ");`;
    const child = start(process.execPath, ["--input-type=module", "--eval", program]);
    const end = ended(child);
    let said = "";
    child.stdout!.on("data", (text: string) => {
      said += text;
    });
    await until(() => said === "ready ");
    child.kill("SIGINT");
    await until(() => said === "ready stopping ");
    child.kill("SIGINT");
    expect(await end).toEqual({ stdout: "ready stopping ", stderr: "", code: 130 });
  });
});

describe.skipIf(missing)("other ends", () => {
  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s is as polite, with its own exit code", async (signal, code) => {
    const child = residual("eval", "cifar_resnet20", "--data", "../noise.bin", "--backend", "reference");
    const end = ended(child);
    await until(() => secondsOf(child.pid!) > INTO_THE_WORK);
    child.kill(signal);
    expect(await end).toEqual({ stdout: "", stderr: `AbortError: stopped by ${signal}\n`, code });
  });

  it("a benchmark that is killed takes its processes along", async () => {
    const child = residual("bench", "cifar_resnet110", "--backends", "reference");
    const end = ended(child);
    const children = await atWork(child.pid!, 1);
    child.kill("SIGKILL");
    expect(await end).toEqual({ stdout: "", stderr: "", code: null }); // nor do they complain
    await until(() => children.every(isOver));
  });
});
