import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Progress, reference } from "@residual/core";
import { expect, it } from "vitest";
import type { Report, Section } from "../report/types.ts";
import { conform } from "./conform.ts";
import type { ConformOptions } from "./options.ts";

const small: ConformOptions = {
  only: ["ops", "nodes"],
  without: ["ops/random shapes", "ops/layers of the family"], // the reference takes seconds for these
  models: ["paddle_unit_s2"],
};

it("tells how far it has come within a section", async () => {
  const told: Progress[] = [];
  const { sections } = await conform(reference, { ...small, onProgress: (progress) => told.push(progress) });
  expect(new Set(told.map(({ total }) => total))).toEqual(new Set([sections.length]));
  const done = told.map((each) => each.done);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
  expect(done[0]).toBe(0);
  expect(done.at(-1)).toBe(sections.length);
  for (const [i, { level, name, variant, checks }] of sections.entries()) {
    const stage = [level, name, variant].filter(Boolean).join("/");
    const parts = told.filter((each) => each.stage === stage).map((each) => each.done - i);
    const expected = Array.from({ length: checks.length + 1 }, (_, count) => count / checks.length);
    expect(parts.length, stage).toBe(expected.length);
    for (const [j, part] of parts.entries()) expect(part, stage).toBeCloseTo(expected[j]!, 12);
  }
});

it("gives the report so far with each section, which is not passed before the end", async () => {
  const soFar: (readonly [Section, Report])[] = [];
  const report = await conform(reference, { ...small, onSection: (section, so) => void soFar.push([section, so]) });
  expect(report.passed).toBe(true);
  expect(report).not.toHaveProperty("remaining");
  expect(soFar).toHaveLength(report.sections.length);
  for (const [i, [section, { sections, passed, remaining }]] of soFar.entries()) {
    expect(section).toBe(report.sections[i]);
    expect(sections).toEqual(report.sections.slice(0, i + 1));
    const left = report.sections.length - 1 - i;
    expect([passed, remaining]).toEqual(left === 0 ? [true, undefined] : [false, left]);
  }
});

it("compares with PyTorch's answers in the folder that it is given", async () => {
  const folder = await mkdtemp(join(tmpdir(), "residual-goldens-"));
  try {
    await cp(new URL("../../golden/infer", import.meta.url), join(folder, "infer"), { recursive: true });
    const options = { only: ["models"], models: ["paddle_unit_s2"], goldens: pathToFileURL(`${folder}/`) } as const;
    expect((await conform(reference, options)).passed).toBe(true);
    const file = join(folder, "infer/seed000_block_s2_1x8x7x9.json");
    const golden = JSON.parse(await readFile(file, "utf8")) as { output: { values: number[] } };
    golden.output.values[0]! += 1;
    await writeFile(file, JSON.stringify(golden));
    const [section] = (await conform(reference, options)).sections;
    expect(section!.checks.filter(({ passed }) => !passed).map(({ name }) => name)).toEqual(["output"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
