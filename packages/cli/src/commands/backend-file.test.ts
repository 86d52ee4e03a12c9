import { mkdir, readdir, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { photo, residual, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();

/** Types to be stripped, an import of a package that is not installed there, and a relative one. */
const mine = `
import { type Backend, reference } from "@residual/core";
import { name } from "./deep/name.mjs";

export const mine: Backend = { ...reference, name };
`;

const maker = `
import { reference } from "@residual/core";

export default async ({ threads }) => ({ ...reference, name: "made on " + threads });
`;

beforeAll(async () => {
  await mkdir(folder.in("deep"));
  await writeFile(folder.in("mine.ts"), mine);
  await writeFile(folder.in("deep/name.mjs"), `export const name = "mine/own";`);
  await writeFile(folder.in("deep/maker.mjs"), maker);
  await writeFile(folder.in("throws.js"), `throw new Error("at once");`);
  await writeFile(folder.in("nothing.ts"), "export const version: number = 1;");
});

const json = async <T>(words: readonly string[]): Promise<T> =>
  JSON.parse((await succeed([...words, "--json"], { cwd: folder.path })).stdout) as T;

describe("a module's path, from whatever folder, stands for the backend that it exports", () => {
  it("to classify", async () => {
    const words = ["classify", photo("chelsea.png"), "--backend", "./mine.ts", "--top", "1"];
    const { stdout, stderr } = await succeed(words, { cwd: folder.path });
    expect([stdout, stderr]).toEqual([expect.stringContaining("cat"), expect.stringContaining("on mine/own (")]);
  });

  it("to run, made by a function with the command's options", async () => {
    const words = ["run", "mlperf_tiny_resnet8", "--weights", "fixture:v1", "--input", "fixture:v1", "--threads", "2"];
    const out = folder.in("out.safetensors");
    const found = await json([...words, "--backend", "deep/maker.mjs", "--out", out]);
    expect(found).toMatchObject({ backend: "made on 2" });
  });

  it("to measure, in a process of its own and layer by layer", async () => {
    const words = [
      "bench",
      "mlperf_tiny_resnet8",
      "--backends",
      "./mine.ts,reference",
      "--rounds",
      "1",
      "--times",
      "1",
    ];
    const rows = await json<readonly object[]>([...words, "--loads", "1"]);
    expect(rows).toMatchObject([{ candidate: "./mine.ts" }, { candidate: "reference", difference: 0 }]);
    const layers = await json<readonly object[]>([...words, "--layers"]);
    expect(layers).toMatchObject([{ backend: "./mine.ts" }, { backend: "reference" }]);
  });

  it("to be held against the suite", async () => {
    const words = ["conform", "--backends", `${folder.in("mine.ts")},reference`, "--only", "nodes"];
    const found = await json<{ reports: readonly object[] }>([
      ...words,
      "--models",
      "seed000_block_s2",
      "--report",
      folder.in("report"),
    ]);
    expect(found.reports).toMatchObject([{ backend: { name: "mine/own" }, passed: true }, { passed: true }]);
    expect(await readdir(folder.in("report"))).toContain("junit.xml");
  });
});

describe("a module that will not do", () => {
  it.each([
    ["./none.ts", /^UsageError: backend .\/none.ts: there is no file \/.*\/none.ts\n$/],
    ["./deep", /^UsageError: backend .\/deep: .*\/deep is a folder, expected a module/],
    ["throws.js", /^UsageError: backend throws.js: the module does not load: Error: at once\n$/],
    ["./nothing.ts", /^UsageError: backend .\/nothing.ts: the module exports version \(.+\); expected a Backend/],
  ])("%s is refused with exit code 2, before any work", async (path, message) => {
    const ended = { stdout: "", code: 2, stderr: expect.stringMatching(message) as string };
    for (const words of [
      ["classify", photo("chelsea.png"), "--backend", path],
      ["bench", "resnet18", "--backends", `reference,${path}`],
      ["conform", "--backends", path],
    ]) {
      expect(await residual(words, { cwd: folder.path })).toEqual(ended);
    }
  });
});
