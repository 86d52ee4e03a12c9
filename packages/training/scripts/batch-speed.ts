/**
 * Processor time of batches of CIFAR-10's pictures, 128 x 3 x 32 x 32, with crop and flip: on this thread, and on a
 * thread beside it. `node --conditions=@residual/source packages/training/scripts/batch-speed.ts data_batch_1.bin`
 */
import { variants } from "@residual/core";
import { smallPictures } from "../src/augment/augmentation.ts";
import { type BatchMaker, onThisThread } from "../src/batches/batch-maker.ts";
import { batches } from "../src/batches/batches.ts";
import { BatchThreads } from "../src/batches/threads.ts";
import { cifar10 } from "../src/data/cifar10.ts";
import { orderOf } from "../src/data/order.ts";

const dataset = await cifar10(process.argv.slice(2));
const recipe = {
  input: [3, 32, 32],
  preprocessing: variants.cifar_resnet20.preprocessing,
  classes: 10,
  augmentation: smallPictures,
  labelSmoothing: 0.1,
  unreadable: "replace",
} as const;
const order = orderOf(dataset, "shuffled", 1);

const makers = { "this thread": onThisThread(), "another thread": new BatchThreads(1) };
for (const round of [0, 1, 2]) {
  for (const [name, maker] of Object.entries(makers)) {
    const { count, cpu, wall, here } = await measured(maker, round);
    const each = (ms: number) => `${(ms / count).toFixed(2)} ms`;
    console.log(
      `${name}: ${each(cpu)} of processor time a batch (${each(wall)} wall, ${each(here)} of it on this thread)`,
    );
  }
}
for (const maker of Object.values(makers)) await maker.close();

async function measured(maker: BatchMaker, epoch: number) {
  const plan = { dataset, order: order(epoch), size: 128, recipe, isLastPartial: false, draw: { seed: 1, epoch } };
  const [cpu, own, wall] = [process.cpuUsage(), process.threadCpuUsage(), performance.now()];
  let count = 0;
  for await (const { image } of batches(plan, maker)) count += image.shape[0]! / 128;
  const ms = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1000;
  const here = ms(process.threadCpuUsage(own));
  return { count, cpu: ms(process.cpuUsage(cpu)), wall: performance.now() - wall, here };
}
