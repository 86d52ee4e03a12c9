import { readFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { photos, temporaryFolder } from "@residual/kit/testing/folder";
import { load } from "@residual/pipeline";
import { type Job, openJob, shardPath } from "@residual/shards";
import { beforeAll, expect, it } from "vitest";
import { findDuplicates, makeIndex, search } from "./index.ts";
import { finishedJob, oddName, writePictures } from "./testing/searched-job.ts";
import { cosine } from "./testing/vectors.ts";

const folder = temporaryFolder();
const picture = (name: string) => folder.in("pictures", name);
const [chelsea, small] = ["chelsea.png", "chelsea-small.jpg"];

let job: Job;
beforeAll(async () => {
  await writePictures(folder.in("pictures"));
  job = await finishedJob({ input: [folder.in("pictures")], out: folder.in("out") });
});

it("finds a picture itself, then its smaller copy, with the cosines of the classifier's features", async () => {
  const { nearest, pictures } = await search(job, join(photos, chelsea));
  expect(pictures).toBe(5);
  await using classifier = await load({ backend: "wasm" });
  const names = [chelsea, small, "coffee.png", oddName, "rocket.jpg"];
  const rows: number[][] = [];
  for (const name of names) rows.push(Array.from((await classifier.features("avgpool", picture(name))).data));
  const expected = names.map((name, i) => ({ image: picture(name), cosine: cosine(rows[0]!, rows[i]!) }));
  expect(nearest).toEqual(expected.sort((a, b) => b.cosine - a.cosine));
  expect(nearest[0]).toEqual({ image: picture(chelsea), cosine: 1 });
  expect(nearest[1]!.image).toBe(picture(small));
});

it("finds the copies of pictures as near duplicates, and no others", async () => {
  const groups = await findDuplicates(job, { threshold: 0.98 });
  expect(groups.map((group) => group.map(({ image }) => image))).toEqual([
    [picture(oddName), picture("coffee.png")],
    [picture(small), picture(chelsea)],
  ]);
});

it("the formats of shards give the same index", async () => {
  const options = { input: [folder.in("pictures")], out: folder.in("jsonl"), format: "jsonl" } as const;
  const lines = await finishedJob(options);
  expect(await makeIndex(lines)).toMatchObject({ rows: 6, filled: 5, dimensions: 64 });
  const bytes = (out: string) => readFile(join(out, "index", "embeddings.f32"));
  await makeIndex(job);
  expect(await bytes(lines.out)).toEqual(await bytes(job.out));
});

it("an index is made again once a further shard is finished", async () => {
  const options = { input: [folder.in("pictures")], out: folder.in("going-on") };
  const going = await finishedJob(options);
  const path = shardPath(going, 1);
  await rename(path, `${path}.later`);
  expect((await search(going, picture(chelsea))).pictures).toBe(3);
  await rename(`${path}.later`, path);
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  expect((await search(going, picture(chelsea), { onWarning })).pictures).toBe(5);
  await search(going, picture(chelsea), { onWarning });
  expect(warnings).toEqual([`${join(going.out, "index")} is stale, since the job went on after it; it is made again`]);
});

it("a job of one picture has itself as neighbour, and no duplicates", async () => {
  const one = await finishedJob({ input: [picture(chelsea)], out: folder.in("one") });
  expect((await search(one, picture(small))).nearest.map(({ image }) => image)).toEqual([picture(chelsea)]);
  expect(await findDuplicates(one, { threshold: 0.98 })).toEqual([]);
});

it("a job without any picture that can be read has no neighbours", async () => {
  const none = await finishedJob({ input: [picture("broken.png")], out: folder.in("none") });
  expect(await search(none, picture(chelsea))).toMatchObject({ nearest: [], pictures: 0 });
  expect(await findDuplicates(none, { threshold: 0.98 })).toEqual([]);
});

it("refuses a job without embeddings, and says how to get them", async () => {
  const out = folder.in("labels");
  const labels = await finishedJob({ input: [picture(chelsea)], out, outputs: ["predictions"] });
  const message = `${out}: the job wrote predictions, and a search needs embeddings; run a job with --outputs embedding`;
  await expect(search(labels, picture(chelsea))).rejects.toMatchObject({ code: "UnsupportedError", message });
  await expect(findDuplicates(labels, { threshold: 0.9 })).rejects.toMatchObject({ code: "UnsupportedError" });
});

it("refuses weights that are not those of the job", async () => {
  const digests = { ...job.manifest.digests, weights: "0" };
  const other = { ...job, manifest: { ...job.manifest, digests } };
  await expect(search(other, picture(chelsea))).rejects.toMatchObject({ code: "WeightsError" });
});

it("refuses a damaged shard and a query that is no picture, and leaves no index", async () => {
  const damaged = await finishedJob({ input: [folder.in("pictures")], out: folder.in("damaged") });
  await expect(search(damaged, picture("broken.png"))).rejects.toMatchObject({ code: "FormatError" });
  const path = shardPath(damaged, 1);
  await truncate(path, 100);
  const message = `${path}: it cannot be read; remove it, and run the job again`;
  await expect(makeIndex(damaged)).rejects.toMatchObject({ code: "FormatError", message });
  await writeFile(path, await readFile(shardPath(damaged, 0)));
  await expect(makeIndex(damaged)).rejects.toThrow(`${path}: it has 4 rows, expected 2`);
  const stop = AbortSignal.abort();
  await expect(makeIndex(await openJob(job.out), { signal: stop })).rejects.toMatchObject({ code: "AbortError" });
  await expect(readFile(join(damaged.out, "index", "index.json"))).rejects.toMatchObject({ code: "ENOENT" });
});
