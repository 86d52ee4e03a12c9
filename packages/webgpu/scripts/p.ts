// where a step's time goes: CPU ms per kernel, each step's dispatches timed alone
import { fill, fixtureWeights, optimize, resnet, sgd, trainable, trainingStep, variants } from "@residual/core";
import { gpuOn } from "../src/device/gpu.ts";
import { guarded } from "../src/device/guard.ts";
import {
  allocateVariables,
  allocateWeights,
  constantUploads,
  preparePlan,
  upload,
  variableUploads,
} from "../src/device/memory.ts";
import { encodeSteps } from "../src/device/run.ts";
import { leaseDevice, openPlatform } from "../src/device/shared-device.ts";
import { lowerToPlan } from "../src/lower/lower.ts";

const n = Number(process.argv[2] ?? 32);
const name = (process.argv[3] ?? "resnet18") as "resnet18";
const size = Number(process.argv[4] ?? 64);
const spec = resnet(variants[name], { input: [n, 3, size, size] });
const net = trainable(spec, { weights: fixtureWeights(spec, "v1") });
const step = optimize(
  trainingStep(net, {
    loss: "crossEntropy",
    optimizer: sgd({ momentum: 0.9, weightDecay: 1e-4, coupled: true, decayAll: true }),
  }),
);
const { shared } = await leaseDevice(await openPlatform(), false);
const gpu = await gpuOn(shared, {}, new Map());
const lowered = lowerToPlan(step, n, gpu.profile);
const filter = process.argv[5] ? new RegExp(process.argv[5]) : /./;
const detail = process.argv[6];
await guarded(gpu.shared, "profile", async (calls) => {
  const weights = calls(() => allocateWeights(gpu, lowered));
  const variables = calls(() => allocateVariables(gpu, lowered));
  await upload(gpu, calls, [...constantUploads(lowered, weights), ...variableUploads(lowered, variables)]);
  const ready = await preparePlan(gpu, calls, lowered, n, { weights, variables });
  const time = async (steps: readonly (typeof ready.steps)[number][], times: number) => {
    const enc = gpu.device.createCommandEncoder();
    for (let i = 0; i < times; i++) encodeSteps(enc, steps);
    const c = process.cpuUsage();
    const a = performance.now();
    gpu.device.queue.submit([enc.finish()]);
    await gpu.device.queue.onSubmittedWorkDone();
    const d = process.cpuUsage(c);
    return [(d.user + d.system) / 1000 / times, (performance.now() - a) / times] as const;
  };
  // one real run, so that values are sane
  const enc = gpu.device.createCommandEncoder();
  encodeSteps(enc, ready.repacks);
  encodeSteps(enc, ready.steps);
  gpu.device.queue.submit([enc.finish()]);
  await gpu.device.queue.onSubmittedWorkDone();
  const all = [
    ...lowered.plan.dispatches.map((d, i) => ({ d, s: ready.steps[i]! })),
    ...lowered.plan.repacks.map((d, i) => ({ d, s: ready.repacks[i]! })),
  ];
  const groups = new Map<string, typeof all>();
  for (const each of all) {
    const key = detail ? `${each.d.kernel} ${each.d.node} ${each.d.workgroups.join("×")}` : each.d.kernel;
    if (!filter.test(key)) continue;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  let total = 0;
  const rows: [number, string][] = [];
  for (const [key, list] of groups) {
    await time(
      list.map(({ s }) => s),
      1,
    );
    let best = Infinity;
    for (let k = 0; k < 4; k++)
      best = Math.min(
        best,
        (
          await time(
            list.map(({ s }) => s),
            1,
          )
        )[0],
      );
    total += best;
    rows.push([best, `${best.toFixed(1)} cpu ms, ${list.length} × ${key}`]);
  }
  console.log(
    rows
      .sort((a, b) => b[0] - a[0])
      .map((r) => r[1])
      .slice(0, 60)
      .join("\n"),
  );
  console.log("total", total.toFixed(0), "cpu ms");
});
process.exit(0);
