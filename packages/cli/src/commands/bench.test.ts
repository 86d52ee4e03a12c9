import { mkdir, readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { Result } from "../bench/scenarios/result.ts";
import { temporaryFolder } from "../testing/folder.ts";
import { document, residual, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();
const quick = ["--rounds", "1", "--times", "2"];

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

interface Row {
  readonly candidate: string;
  readonly [field: string]: unknown;
}

/** A candidate's single load and first answer. */
interface Started {
  readonly candidate: string;
  readonly load: Cost;
  readonly first: Cost;
  readonly start: Cost;
  readonly difference: number;
}

const costs = { wall: expect.any(Number) as number, cpu: expect.any(Number) as number };

describe("a tiny model", () => {
  it("is measured on each backend and each peer, with answers that agree", async () => {
    await mkdir(folder.in("tmp"));
    const words = ["bench", "cifar_resnet20", "--backends", "onnx,reference", "--batch", "2", "--peers", ...quick];
    const { stdout, stderr } = await succeed([...words, "--json"], { env: { TMPDIR: folder.in("tmp") } });
    expect(stderr).toBe("");
    const rows = JSON.parse(stdout) as readonly Row[];
    expect(rows.map(({ candidate }) => candidate)).toEqual([
      "onnx",
      "reference",
      "onnxruntime-node",
      "onnxruntime-node-nospin",
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({ model: "cifar_resnet20", batch: 2, runs: 2 });
      for (const field of ["load", "first", "start", "median", "p95", "ratio", "startRatio"])
        expect(row[field], field).toEqual(costs);
      for (const field of ["imagesPerSecond", "peakMemory", "memoryRatio"])
        expect(row[field], field).toBeGreaterThan(0);
      expect(row.difference).toBeLessThan(1.3e-6); // ten times torch's own float32
    }
    expect(rows[0]!.ratio).toEqual({ wall: 1, cpu: 1 });
    expect(await readdir(folder.in("tmp")), "its models and weights are gone").toEqual([]);
  });

  it("is measured on wasm, beside the WebAssembly of others and native code, on two threads too", async () => {
    for (const threads of ["1", "2"]) {
      const words = ["bench", "cifar_resnet20", "--backends", "wasm", "--peers", "--threads", threads, "--loads", "1"];
      const rows = await document<readonly Started[]>([...words, ...quick]);
      const others = ["onnxruntime-web-wasm", "tfjs-fused-graph-model-wasm", "onnxruntime-node"];
      expect(rows.map(({ candidate }) => candidate)).toEqual(["wasm", ...others]);
      for (const { difference, start, load, first } of rows) {
        expect(difference).toBeLessThan(1.3e-6);
        // with one load there is nothing to take a median of
        expect(start.wall).toBeCloseTo(load.wall + first.wall, 6);
        expect(start.cpu).toBeCloseTo(load.cpu + first.cpu, 6);
      }
    }
  });

  it("gives a table for people", async () => {
    const { stdout } = await succeed(["bench", "mlperf_tiny_resnet8", ...quick]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.slice(0, 2)).toEqual(["mlperf_tiny_resnet8, batch 1", ""]);
    expect(lines[2]).toMatch(/^ms +load +first +median +p95 +CPU +images\/s$/);
    expect(stdout).toMatch(/^ +peak +ratio +CPU +start +memory +differs\nonnx +\d+ MiB +(1\.000 +){4}0\.0e\+0$/m);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it("may be run in many turns without a word on stderr", async () => {
    const words = ["bench", "mlperf_tiny_resnet8", "--rounds", "15", "--times", "1", "--json"];
    const { stdout, stderr } = await succeed(words);
    expect([stderr, (JSON.parse(stdout) as readonly Row[])[0]!.runs]).toEqual(["", 15]);
  });
});

describe("layers", () => {
  const words = [
    "bench",
    "mlperf_tiny_resnet8",
    "--layers",
    "--backends",
    "onnx,reference",
    "--times",
    "1",
    "--batch",
    "2",
  ];

  it("are timed alone on each backend, with the multiply-adds of the whole", async () => {
    const { stdout, stderr } = await succeed([...words, "--json"]);
    const reports = JSON.parse(stdout) as { backend: string; layers: { op: string; ms: number; macs: number }[] }[];
    expect(stderr).toBe("");
    expect(reports).toMatchObject([
      { model: "mlperf_tiny_resnet8", backend: "onnx", batch: 2 },
      { model: "mlperf_tiny_resnet8", backend: "reference", batch: 2 },
    ]);
    for (const { layers } of reports) {
      // By hand, for one image: OH·OW·O·I·K² of its nine convolutions, and 64·10 of the linear layer.
      expect(layers.filter(({ macs }) => macs > 0)).toHaveLength(10);
      expect(layers.reduce((sum, { macs }) => sum + macs, 0)).toBe(2 * 12_501_632);
      for (const { ms } of layers) expect(ms).toBeGreaterThan(0);
    }
  });

  it("are a table for people, the dearest first", async () => {
    const { stdout } = await succeed(words);
    expect(stdout).toMatch(
      /^mlperf_tiny_resnet8 on onnx: [\d.]+ ms over \d+ layers, each alone; 10⁹\/s of multiply-adds\n\nlayer +op +output +ms +share +10⁹\/s\n/,
    );
    const shares = stdout
      .split("\n\n")[1]!
      .match(/[\d.]+(?= %)/g)!
      .map(Number);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
  });
});

interface ScenarioReport {
  readonly maxBatch: number;
  readonly result: Result;
  readonly server: { readonly trials: readonly Result[]; readonly share: number };
}

describe("a scenario of MLPerf", () => {
  const words = ["bench", "mlperf_tiny_resnet8", "--duration", "1", "--scenario"];

  it("measures each kind of load through the server's scheduler", async () => {
    const load = ["--qps", "300", "--latency", "60000", "--batch", "8"];
    const [server] = await document<readonly [ScenarioReport]>([...words, "server", ...load]);
    expect(server).toMatchObject({ model: "mlperf_tiny_resnet8", workers: 1, maxBatch: 8, backend: { name: "onnx" } });
    expect(server.result).toMatchObject({ scenario: "server", valid: true, bound: 60_000, overBound: 0, refused: 0 });
    expect(server.result.queries).toBeGreaterThanOrEqual(459);
    expect(server.server).toMatchObject({ trials: [server.result], batchTime: { images: 8 } });
    const [single] = await document<readonly [ScenarioReport]>([...words, "single", "--queries", "64"]);
    expect(single.result).toMatchObject({ scenario: "single", valid: true, percentile: 0.9, minQueries: 64 });
  });

  it("says in words what was measured, and how it differs from MLPerf's rules", async () => {
    const { stdout } = await succeed([...words, "offline"]);
    expect(stdout).toMatch(
      /^mlperf_tiny_resnet8, MLPerf's Offline scenario\nonnx \(onnxruntime-node [\d.]+, cpu\), 1 worker, batches of up to 32\n\nOffline +[\d.]+ samples\/s\nresult +VALID: \d+ queries in \d+\.\d s\n/,
    );
    expect(stdout).toMatch(/MLPerf's rules: --duration 600 --queries 24576\.\n$/);
    for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});

it.each([
  [["--scenario", "sever"], 2, /^UsageError: .*there is no scenario sever; did you mean server\?/],
  [["--scenario", "server", "--backends", "onnx,wasm"], 2, /^UsageError: --scenario runs on one backend, .*onnx,wasm/],
  [["--scenario", "server", "--layers"], 2, /^UsageError: option '--scenario <name>' cannot be used with .*'--layers'/],
  [
    ["--scenario", "server", "--qps", "0"],
    2,
    /^UsageError: option '--qps <n>' argument '0': expected a number above 0/,
  ],
  [["nope", "--scenario", "single"], 2, /^UsageError: there is no model nope/],
  [["nope"], 2, /^UsageError: there is no model nope/],
  [["pytorch_unit"], 2, /^UsageError: pytorch_unit has no logits/],
  [["resnet18", "--backends", "onnx,onx"], 2, /^UsageError: there is no backend onx; did you mean onnx\?\n$/],
  [["resnet18", "--layers", "--backends", "onx"], 2, /^UsageError: there is no backend onx; did you mean onnx\?\n$/],
  [
    ["resnet18", "--peers", "onnxruntime-web-webgp"],
    2,
    /^UsageError: there is no peer onnxruntime-web-webgp; did you mean onnxruntime-web-webgpu\?\n$/,
  ],
  [["resnet18", "--rounds", "0"], 2, /^UsageError: option '--rounds <n>' argument '0': expected a whole number from 1/],
  [["cifar_resnet20", "--threads", "100000"], 1, /^UnsupportedError: onnx: .*threads is 100000/],
] as const)("refuses %s", async (words, code, message) => {
  const result = await residual(["bench", ...words]);
  expect(result).toMatchObject({ stdout: "", code, stderr: expect.stringMatching(message) as string });
});
