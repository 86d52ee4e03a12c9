// The program of a process that runs a job's model on tensors in memory: see throughput.ts.
import { fixtureInput } from "@residual/core";
import { prepareOn } from "@residual/pipeline";
import { openJob } from "../src/job.ts";
import { graphFor } from "../src/shard/model.ts";

const { model, weights, backend, outputs, batch, preprocessing } = (await openJob(process.argv[2]!)).manifest;
const options = { model, weights, threads: Number(process.argv[3]) };
const { executable } = await prepareOn(backend, options, (found) => graphFor(found, outputs));
const image = fixtureInput("throughput", [batch, 3, preprocessing.crop, preprocessing.crop]);
await executable.run({ image });

process.on("message", (runs: number) => void work(runs));
process.on("disconnect", () => process.exit());
process.send?.("ready");

async function work(runs: number): Promise<void> {
  for (let run = 0; run < runs; run++) await executable.run({ image });
  process.send?.("done");
}
