import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reference } from "@residual/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Section } from "../report/types.ts";
import { checkpoint } from "./checkpoint.ts";
import { conform } from "./conform.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-"));
});
afterEach(() => rm(folder, { recursive: true }));

const section: Section = {
  level: "nodes",
  name: "resnet18",
  milliseconds: 3,
  checks: [
    { name: "conv1", passed: false, share: Infinity, worst: { index: [0], expected: 1, found: Number.NaN, bound: 0 } },
  ],
};

it("gives back what was done, infinities and all", async () => {
  const path = join(folder, "progress");
  const before = await checkpoint(path, { backend: "a" });
  expect(before.done).toEqual([]);
  await before.onSection(section);
  await appendFile(path, '{"level":"nodes","na'); // the process ended here
  expect((await checkpoint(path, { backend: "a" })).done).toEqual([section]);
  expect(await readFile(path, "utf8")).toMatch(/\n$/); // the torn line is gone, so the next one is whole
});

it("believes no line that was changed since", async () => {
  const path = join(folder, "progress");
  await (await checkpoint(path, "run")).onSection(section);
  const [head, line, end] = (await readFile(path, "utf8")).split("\n");
  const changes = [
    line!.replace("false", "true"),
    line!.replace("resnet18", "resnet50"),
    line!.slice(1),
    line!.slice(65),
  ];
  for (const changed of changes) {
    await writeFile(path, [head, changed, end].join("\n"));
    expect((await checkpoint(path, "run")).done, changed).toEqual([]);
  }
});

it("starts anew for another backend, and leaves nothing behind at the end", async () => {
  const path = join(folder, "progress");
  await (await checkpoint(path, { backend: "a" })).onSection(section);
  const other = await checkpoint(path, { backend: "b" });
  expect(other.done).toEqual([]);
  await other.end();
  await expect(readFile(path)).rejects.toThrow("ENOENT");
});

it("lets a run that was aborted go on where it was", async () => {
  const path = join(folder, "progress");
  const controller = new AbortController();
  const first = await checkpoint(path, "run");
  const options = { only: ["nodes"], models: ["cifar_resnet20"] } as const;
  const stop = async (done: Section) => {
    await first.onSection(done);
    controller.abort();
  };
  await expect(conform(reference, { ...options, signal: controller.signal, onSection: stop })).rejects.toThrow("abort");
  const second = await checkpoint(path, "run");
  expect(second.done).toHaveLength(1);
  const ran: Section[] = [];
  const report = await conform(reference, { ...options, done: second.done, onSection: (each) => void ran.push(each) });
  expect(report.sections).toHaveLength(2);
  expect(ran).toHaveLength(1);
});
