import type { Job } from "@residual/bulk";
import { checkPlace } from "@residual/kit/files";
import type { Neighbour, SheetGroup } from "@residual/search";
import { type Command, InvalidArgumentError } from "commander";
import { bulkPackage, searchPackage } from "../bulk-job.ts";
import { type Context, command, positive } from "../command.ts";
import { UsageError } from "../errors.ts";
import { pictureNamed } from "../pictures/stdin.ts";
import { type Bar, bold, type Output, paragraphs, progressBar, remark, say } from "../terminal.ts";

interface Options extends Output {
  readonly top: number;
  readonly duplicates?: number;
  readonly html?: string;
}

/** Finds pictures of a bulk job again, by their embeddings. */
export function searchCommand({ signal }: Context): Command {
  return command("search", "find the pictures of a bulk job that are like a picture, or near duplicates", [
    "search out/ cat.jpg --top 20 --html like-cat.html",
    "search out/ --duplicates 0.98 --html duplicates.html",
  ])
    .argument("<folder>", "a job's folder, written by residual bulk run --outputs embedding")
    .argument("[image]", "a file, a URL, or - for a picture on stdin")
    .option("--top <n>", "pictures to show", positive, 20)
    .option("--duplicates <cosine>", "show groups of pictures whose cosine is at least this: 0.98", cosineOf)
    .option("--html <file>", "write a page of thumbnails that open the pictures")
    .action(async (folder: string, image: string | undefined, options: Options) => {
      const { duplicates, html } = options;
      if ((image === undefined) === (duplicates === undefined))
        throw new UsageError("give a picture to search for, or --duplicates 0.98 to compare the job's own");
      if (html !== undefined) await checkSheet(html);
      const bar = progressBar();
      try {
        const job = await (await bulkPackage()).openJob(folder);
        const work = { signal, bar, onProgress: bar.onProgress, onWarning: remark };
        if (image !== undefined) await showNearest(job, image, options, work);
        else await showDuplicates(job, duplicates!, options, work);
      } finally {
        bar.end();
      }
    });
}

/** Throws UsageError for another ending, since the page could replace a picture. */
async function checkSheet(path: string): Promise<void> {
  if (!/[^/\\]\.html?$/i.test(path)) throw new UsageError(`--html ${path}: expected a name that ends in .html`);
  await checkPlace(path);
}

/** Makes the index that searches read. `search` makes it too if it is missing. */
export function indexCommand({ signal }: Context): Command {
  return command("index", "gather a job's embeddings for residual search, which else does so itself", [
    "bulk index out/",
  ])
    .argument("<out>", "the job's folder")
    .action(async (out: string, options: Output) => {
      const [{ openJob }, { makeIndex }] = await Promise.all([bulkPackage(), searchPackage()]);
      const bar = progressBar();
      try {
        const job = await openJob(out);
        const { filled, dimensions } = await makeIndex(job, { signal, onProgress: bar.onProgress });
        bar.end();
        const { images } = job.manifest;
        say(options, { out: job.out, images, pictures: filled, dimensions }, () => [
          `${bold(out)}  ${filled} of ${counted(images, "picture")}, an embedding of ${dimensions} numbers each`,
        ]);
      } finally {
        bar.end();
      }
    });
}

interface Work extends Context {
  readonly bar: Bar;
  readonly onProgress: Bar["onProgress"];
  readonly onWarning: (message: string) => void;
}

async function showNearest(job: Job, image: string, options: Options, work: Work): Promise<void> {
  const { search } = await searchPackage();
  const { nearest, pictures, bytes, ms } = await search(job, pictureNamed(image), { ...work, top: options.top });
  work.bar.clear();
  say(options, { image, pictures, nearest }, () => nearest.map(line));
  const without = job.manifest.images - pictures;
  if (without > 0) remark(`${counted(without, "picture")} without an embedding: with an error, or not done yet`);
  remark(`compared with ${counted(pictures, "picture")} in ${Math.ceil(ms)} ms, ${(bytes / ms / 1e6).toFixed(1)} GB/s`);
  const heading = `${counted(nearest.length, "picture")}, nearest first`;
  await writeSheet(job, [{ heading, pictures: nearest }], `Like ${image === "-" ? "stdin" : image}`, options, work);
}

async function showDuplicates(job: Job, threshold: number, options: Options, work: Work): Promise<void> {
  const { findDuplicates } = await searchPackage();
  const groups = await findDuplicates(job, { ...work, threshold, onProgress: withEstimate(work.bar) });
  work.bar.clear();
  say(options, { threshold, groups }, () => paragraphs(groups.map((group) => group.map(line))));
  remark(`${counted(groups.flat().length, "picture")} in ${counted(groups.length, "group")} of near duplicates`);
  const sheet = groups.map((pictures) => ({ heading: counted(pictures.length, "picture"), pictures }));
  await writeSheet(job, sheet, `Near duplicates, cosine ${threshold} or more`, options, work);
}

async function writeSheet(
  { manifest }: Job,
  groups: readonly SheetGroup[],
  title: string,
  { html }: Options,
  { signal, bar, onProgress }: Work,
): Promise<void> {
  if (html === undefined) return;
  const { writeContactSheet } = await searchPackage();
  await writeContactSheet(html, groups, { title, manifest, signal, onProgress });
  bar.clear();
  remark(`wrote ${html}`);
}

/** Milliseconds after which the speed of comparing is known. */
const SETTLED = 3000;

/** Says once how long all pairs take, if it is more than a minute. */
function withEstimate(bar: Bar): Bar["onProgress"] {
  let start: number | undefined;
  let isSaid = false;
  return (progress) => {
    bar.onProgress(progress);
    if (progress.stage !== "compare" || isSaid) return;
    start ??= performance.now();
    const ms = performance.now() - start;
    if (ms < SETTLED) return;
    isSaid = true;
    const minutes = (ms * progress.total) / progress.done / 60_000;
    bar.clear();
    if (minutes > 1) remark(`comparing ${counted(progress.total, "pair")} takes about ${timeOf(minutes)}`);
  };
}

const timeOf = (minutes: number): string =>
  minutes < 100 ? `${Math.ceil(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;

const line = ({ image, cosine }: Neighbour): string => `${cosine.toFixed(4)}  ${image}`;

const counted = (count: number, noun: string): string =>
  `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;

function cosineOf(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("expected a cosine above 0, up to 1");
}
