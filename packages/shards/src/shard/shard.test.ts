import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { photos, temporaryFolder } from "@residual/kit/testing/folder";
import { load } from "@residual/pipeline";
import { describe, expect, it } from "vitest";
import { formats, type Job, JobError, prepareJob, type Row, readShard, ShardWorkers, shardPath } from "../index.ts";

const folder = temporaryFolder();
const pictures = ["chelsea.png", "coffee.png", "rocket.jpg"].map((name) => join(photos, name));

async function run(job: Job): Promise<readonly Row[]> {
  await using workers = new ShardWorkers(job, 1);
  for (let shard = 0; shard < job.manifest.shards; shard++) await workers.run(shard);
  return (await Promise.all(Array.from({ length: job.manifest.shards }, (_, shard) => readShard(job, shard)))).flat();
}

describe.each(formats)("a shard as %s", (format) => {
  it("has what the classifier answers for each picture, and the error of each that fails", async () => {
    const broken = folder.in(`${format}.png`);
    await writeFile(broken, "no picture");
    const list = folder.in(`${format}.txt`);
    await writeFile(list, [pictures[0], broken, "missing.png", "", pictures[1], pictures[2]].join("\r\n"));
    const options = { outputs: ["predictions", "embedding"], format, backend: "wasm", batch: 2 } as const;
    const rows = await run(await prepareJob({ input: [list], out: folder.in(format), ...options }));

    await using classifier = await load({ backend: "wasm" });
    const expected = await Promise.all(pictures.map((each) => classifier.classify(each)));
    expect(rows.map(({ error }) => error)).toEqual([null, "FormatError", "FormatError", null, null]);
    const answered = rows.filter(({ error }) => error === null);
    expect(answered.map(({ top }) => top)).toEqual(expected);
    const best = answered.map(({ label, index, probability }) => ({ label, index, probability }));
    expect(best).toEqual(expected.map(([first]) => first));
    const { data } = await classifier.features("avgpool", pictures);
    expect(answered.flatMap(({ embedding }) => embedding)).toEqual(Array.from(data));
    expect(answered[0]).toMatchObject({ image: pictures[0], message: null, width: 451, height: 300 });
    expect(rows[1]).toMatchObject({ image: broken, width: null, label: null, top: null, embedding: null });
  });
});

it("the bytes of shards depend on the manifest and the pictures alone", async () => {
  const options = { input: [photos, photos], shardSize: 2, batch: 2, backend: "wasm" };
  const [a, b] = [
    await prepareJob({ ...options, out: folder.in("a") }),
    await prepareJob({ ...options, out: folder.in("b") }),
  ];
  expect(a.manifest).toEqual(b.manifest);
  await run(a);
  await using workers = new ShardWorkers(b, 2);
  await Promise.all([2, 1, 0].map((shard) => workers.run(shard)));
  for (const shard of [0, 1, 2]) {
    expect(await readFile(shardPath(a, shard))).toEqual(await readFile(shardPath(b, shard)));
  }
});

it("a folder that holds another job is refused, with the names of what differs", async () => {
  const options = { input: [photos], out: folder.in("taken"), backend: "wasm", batch: 1 };
  const { manifest } = await prepareJob(options);
  expect(await prepareJob(options)).toMatchObject({ manifest });
  const others = prepareJob({ ...options, shardSize: 3, weights: "fixture:v1", model: "cifar_resnet20" });
  await expect(others).rejects.toThrow(JobError);
  await expect(others).rejects.toThrow(/another weights.* and shard size; give another out/);
});
