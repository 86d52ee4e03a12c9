/**
 * Times a search and the search for near duplicates over random embeddings, and the reading of their file alone:
 * node --conditions=@residual/source scripts/search-speed.ts [ROWS] [DIMENSIONS] [FOLDER]
 */
import { open, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { duplicates } from "../src/duplicates.ts";
import { files, IndexFile } from "../src/index-file.ts";
import { nearest } from "../src/nearest.ts";
import { unitOf } from "../src/vectors.ts";
import { writeIndex } from "../src/write-index.ts";

const [rows = 1_000_000, dimensions = 512] = process.argv.slice(2, 4).map(Number);
const folder = process.argv[4] ?? join(tmpdir(), `residual-index-${rows}-${dimensions}`);

/** Half of the numbers are 0, as after a ReLU. */
function* embeddings(): Generator<Float32Array> {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return state / 2 ** 31 - 1;
  };
  const row = new Float32Array(dimensions);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < dimensions; k++) row[k] = Math.max(0, random());
    yield row;
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const bytes = rows * dimensions * 4;
const rate = (time: number) => `${time.toFixed(2)} s, ${(bytes / time / 1e9).toFixed(2)} GB/s`;
const isThere = await stat(folder).then(
  () => true,
  () => false,
);
if (!isThere) console.log(`writing ${rate(await seconds(() => writeIndex(folder, "", embeddings())))}`);

async function readAlone(): Promise<void> {
  await using file = await open(join(folder, files.rows));
  const memory = new Uint8Array(4 << 20);
  for (let at = 0; at < bytes; at += memory.length) await file.read(memory, 0, memory.length, at);
}

await using index = await IndexFile.open(folder);
const [query] = embeddings();
const name = async (row: number) => String(row);
for (let run = 0; run < 3; run++) {
  console.log(`reading alone ${rate(await seconds(readAlone))}`);
  console.log(`search, top 20 ${rate(await seconds(() => nearest(index, name, unitOf(query!)!, { top: 20 })))}`);
}

const stop = new AbortController();
const [start, LIMIT] = [performance.now(), 20_000];
let [done, total, spent] = [0, 1, 0];
const onProgress = (progress: { readonly done: number; readonly total: number }) => {
  ({ done, total } = progress);
  spent = performance.now() - start;
  if (spent > LIMIT) stop.abort();
};
await duplicates(index, name, { threshold: 0.98, signal: stop.signal, onProgress }).catch(() => {});
const whole = ((spent / 1000) * total) / done / 3600;
console.log(
  `near duplicates ${(done / spent / 1e3).toFixed(1)} million pairs/s; all ${total} pairs: ${whole.toFixed(2)} h`,
);
console.log(`${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at most; ${availableParallelism()} cores`);
