import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AbortError } from "@residual/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { exclusively } from "./exclusive.ts";
import { ownedName } from "./owned-name.ts";
import { runUntilItSpeaks } from "./testing/child.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
  path = join(folder, "weights.bin");
});
afterEach(() => rm(folder, { recursive: true }));

const quick = { poll: 5 };

it("lets one work at a time, and all in the end", async () => {
  let [working, most, done] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++working);
    await new Promise((resolve) => setTimeout(resolve, 2));
    working--;
    done++;
  };
  await Promise.all(Array.from({ length: 12 }, () => exclusively(path, work, quick)));
  expect([most, done]).toEqual([1, 12]);
  expect(await readdir(folder)).toEqual([]);
});

it("works for other paths of the folder meanwhile, also ones whose names begin alike", async () => {
  const inner = () => exclusively(`${path}.index`, async () => "inner", quick);
  expect(await exclusively(path, inner, quick)).toBe("inner");
  expect(await exclusively(`${path}.index`, () => exclusively(path, async () => "other", quick), quick)).toBe("other");
});

it("gives on what the work gives or throws, and leaves nothing", async () => {
  await expect(
    exclusively(path, () => Promise.reject(new Error("no"))),
    "the work's own",
  ).rejects.toThrow("no");
  expect(await exclusively(path, async () => 7)).toBe(7);
  expect(await readdir(folder)).toEqual([]);
});

it("waits until it is aborted, telling so, and leaves the other's file alone", async () => {
  const controller = new AbortController();
  let waits = 0;
  await exclusively(path, async () => {
    const second = exclusively(path, async () => "never", {
      ...quick,
      signal: controller.signal,
      onWait: () => ++waits === 3 && controller.abort(),
    });
    await expect(second).rejects.toThrow(AbortError);
    expect(await readdir(folder)).toHaveLength(1);
  });
  expect(waits).toBe(3);
});

it("is held up by no process that was killed", async () => {
  const code = `
    import { exclusively } from "./exclusive.ts";
    await exclusively(${JSON.stringify(path)}, async () => {
      console.log("working");
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    });`;
  await runUntilItSpeaks(import.meta.url, code, { kill: true });
  expect(await readdir(folder)).toHaveLength(1);
  expect(await exclusively(path, async () => "done", quick)).toBe("done");
  expect(await readdir(folder)).toEqual([]);
});

it("a process of another machine is over after a silence", async () => {
  const [head, owner, random] = /^(.*-)(\d+\.\d+\.\w+\.\w+)(-\w+)$/.exec(ownedName("lock"))!.slice(1);
  const foreign = `${path}.${head}${owner!.replace(/\w+$/, "00000000")}${random}`;
  await writeFile(foreign, "");
  const controller = new AbortController();
  const onWait = () => controller.abort();
  await expect(exclusively(path, async () => {}, { ...quick, signal: controller.signal, onWait })).rejects.toThrow(
    AbortError,
  );
  const before = new Date(Date.now() - 61_000);
  await utimes(foreign, before, before);
  expect(await exclusively(path, async () => "done", quick)).toBe("done");
  expect(await readdir(folder)).toEqual([]);
});

it("gives signs of life while it works", async () => {
  const { stat } = await import("node:fs/promises");
  await exclusively(
    path,
    async () => {
      const [own] = await readdir(folder);
      const before = new Date(0);
      await utimes(join(folder, own!), before, before);
      const isOld = async () => (await stat(join(folder, own!))).mtimeMs < 1000;
      while (await isOld()) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    { silence: 20 },
  );
});

it("says what the file system says where the folder is missing", async () => {
  await expect(exclusively(join(folder, "no", "such"), async () => {})).rejects.toThrow("ENOENT");
  await mkdir(join(folder, "no"));
  expect(await exclusively(join(folder, "no", "such"), async () => 1)).toBe(1);
});
