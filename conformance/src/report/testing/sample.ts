import type { Check, Report } from "../types.ts";

/** Reports of every kind: one that passes with a known deviation, one that fails, one without checks. */
export function sample(name = "onnx", hostile = ""): readonly Report[] {
  const backend = { name, library: "lib", version: "1", device: "cpu", dtypes: ["float32"] } as const;
  const common: Omit<Report, "sections" | "passed"> = {
    backend,
    level: "quick",
    environment: { runtime: "Node 24", platform: "linux x64", versions: { v8: "13" } },
    started: "2026-11-24T10:00:00.000Z",
    milliseconds: 1234,
  };
  const worst = { index: [0, 1], expected: 1.5, found: Number.NaN, bound: 1e-6 };
  const node = { name: `conv1${hostile}`, op: "conv2d", passed: true, share: 0.25, what: "conv2d(x) -> 1×2" };
  const wrong = {
    ...node,
    name: "layer1.0.conv1",
    passed: false,
    share: Infinity,
    worst,
    message: `got NaN${hostile}`,
  };
  const known: Check = {
    ...wrong,
    name: "NaN in the middle",
    op: "maxPool2d",
    passed: true,
    trait: "drops NaN",
    because: `it drops them${hostile}`,
  };
  return [
    {
      ...common,
      passed: true,
      sections: [
        { level: "ops", name: "special values", milliseconds: 1, checks: [known] },
        { level: "nodes", name: "resnet18", variant: "as built", milliseconds: 2, checks: [node] },
        { level: "images", name: "pictures", milliseconds: 0, checks: [], skipped: "none given" },
        { level: "behaviour", name: "life", milliseconds: 3, checks: [{ name: "disposed twice", passed: true }] },
      ],
    },
    {
      ...common,
      backend: { ...backend, name: "other" },
      passed: false,
      sections: [
        { level: "nodes", name: "resnet18", variant: "as built", milliseconds: 2, checks: [node, wrong, wrong] },
      ],
    },
    { ...common, backend: { ...backend, name: "third" }, passed: false, sections: [] },
  ];
}
