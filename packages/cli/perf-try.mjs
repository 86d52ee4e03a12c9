import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { bind, constantsOf, resnet, select, variants } from "@residual/core";
import { onnx, writeOnnx } from "@residual/onnx";
import { fixtureWeights, readWeights, toTorchvision, writeSafetensors } from "@residual/weights";

const mode = process.argv[2];
const T = Number(process.argv[3] ?? 2);
const f = "/tmp/perf/r50.safetensors",
  o = "/tmp/perf/r50.onnx";
const spec = resnet(variants.resnet50, { input: [1, 3, 224, 224] });
if (!existsSync(f)) {
  const g = bind(spec, fixtureWeights(spec, "v1"));
  await writeSafetensors(f, new Map(constantsOf(g).map((c) => [c.name, c.tensor])));
  await writeOnnx(g, o);
}
const rt = "onnxruntime-node";
if (mode === "peer") {
  const t0 = performance.now();
  const c0 = process.cpuUsage();
  const ort = (await import(rt)).default;
  const t1 = performance.now();
  const bytes = await readFile(o);
  const t2 = performance.now();
  const s = await ort.InferenceSession.create(bytes, { intraOpNumThreads: T, logSeverityLevel: 3 });
  const t3 = performance.now();
  console.log(
    mode,
    "import",
    (t1 - t0).toFixed(0),
    "read",
    (t2 - t1).toFixed(0),
    "create",
    (t3 - t2).toFixed(0),
    "total w/o import",
    (t3 - t1).toFixed(0),
    "total",
    (t3 - t0).toFixed(0),
    "rss",
    (process.resourceUsage().maxRSS / 1024).toFixed(0),
  );
  void s;
} else {
  const t0 = performance.now();
  const backend = onnx({ threads: T });
  const w = await readWeights(f);
  const t1 = performance.now();
  const g = bind(spec, w);
  const t2 = performance.now();
  const marks = [];
  const e = await backend.compile(g, {
    onProgress: (p) => marks.push(p.stage + p.done + "@" + (performance.now() - t2).toFixed(0)),
  });
  const t3 = performance.now();
  console.log(
    mode,
    "read",
    (t1 - t0).toFixed(0),
    "bind",
    (t2 - t1).toFixed(0),
    "compile",
    (t3 - t2).toFixed(0),
    marks.join(" "),
    "total",
    (t3 - t0).toFixed(0),
    "rss",
    (process.resourceUsage().maxRSS / 1024).toFixed(0),
  );
  await e.dispose();
}
