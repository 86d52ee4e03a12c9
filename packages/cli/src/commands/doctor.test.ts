import { expect, it } from "vitest";
import { document, succeed } from "../testing/residual.ts";

it("tries each backend, best first", async () => {
  const report = await document<{ backends: readonly object[] }>(["doctor"]);
  const works = { available: true, device: "cpu", driver: null, verified: true, reason: null, install: null };
  const version = expect.stringMatching(/^\d+\.\d+\.\d+$/) as string;
  expect(report).toEqual({
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    backends: [
      { name: "onnx", version, ...works },
      { name: "reference", version, ...works },
    ],
  });
  const fields = ["name", "available", "version", "device", "driver", "verified", "reason", "install"];
  for (const each of report.backends) expect(Object.keys(each)).toEqual(fields); // in the contract's order
});

it("says it in a table for people", async () => {
  const { stdout, stderr } = await succeed(["doctor"]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^Node [\d.]+ on \w+-\w+\n\nbackend +state +version +device\n/);
  expect(stdout).toMatch(/^onnx +works +[\d.]+ +cpu\nreference +works +[\d.]+ +cpu$/m);
});
