import type { ResidualError } from "@residual/core";
import type { ListedWeights, VerifiedFile } from "@residual/weights/cache";
import { Command } from "commander";
import { type Context, command, withExamples } from "../command.ts";
import { typedOf } from "../errors.ts";
import { noneNear } from "../names.ts";
import {
  bold,
  columns,
  complain,
  dim,
  type Output,
  paragraphs,
  progressBar,
  remark,
  say,
  table,
  wrapped,
} from "../terminal.ts";

/** Imported on use, since the other commands do not need it. */
const cache = () => import("@residual/weights/cache");

/** Manages weights with names: the list, and the download folder. */
export function weightsCommand(context: Context): Command {
  const group = new Command("weights").description("list, download and check weights that go by a name");
  for (const each of [listCommand(), pullCommand(context), verifyCommand(context), pruneCommand(), pathCommand()])
    group.addCommand(each);
  return withExamples(group, ["weights list resnet50", "weights pull torchvision/resnet50.v2"]);
}

/** A row of `list --json`. */
interface Row {
  readonly name: string;
  readonly model: string | null;
  /** In bytes: exact for downloaded files, else the published size, which may be rounded. */
  readonly bytes: number | null;
  readonly top1: number | null;
  readonly license: string | null;
  readonly cached: boolean;
  /** Why they cannot be used by Residual. */
  readonly refused?: string;
}

function listCommand(): Command {
  return command("list", "list the weights that go by a name", ["weights list", "weights list resnet50"])
    .argument("[text]", "a part of the names to list")
    .action(async (text: string | undefined, output: Output) => {
      const { listWeights } = await cache();
      const all = (await listWeights()).map(rowOf);
      const rows = all.filter(({ name }) => name.includes(text ?? ""));
      say(output, rows, () => (rows.length === 0 ? [nothingLike(text!, all)] : listed(rows)));
    });
}

function nothingLike(text: string, all: readonly Row[]): string {
  const parts = new Set(all.flatMap(({ name, model }) => [name, name.replace(/\/.*/, ""), model ?? name]));
  return noneNear(
    text,
    [...parts].filter((part) => all.some(({ name }) => name.includes(part))),
  );
}

function rowOf({ name, known, cached, bytes }: ListedWeights): Row {
  return {
    name,
    model: known?.model ?? null,
    bytes: bytes ?? known?.bytes ?? known?.bytesAbout ?? null,
    top1: known?.top1 ?? null,
    license: known?.license ?? null,
    cached,
    ...(known?.refused !== undefined && { refused: known.refused }),
  };
}

/** A table for each publisher, then the unusable weights with the reasons. */
function listed(rows: readonly Row[]): readonly string[] {
  const usable = rows.filter(({ refused }) => refused === undefined);
  const cells = usable.map(({ name, top1, bytes, license, cached }) => [
    name,
    (top1?.toFixed(1) ?? "").padStart(5),
    (bytes === null ? "" : megabytes(bytes)).padStart(5),
    license ?? "",
    cached ? "✓" : "",
  ]);
  const [heading, ...lines] = table(["name", "top-1", "MB", "licence", ""], cells);
  const publishers = new Set(usable.map(publisherOf));
  const tables = [...publishers].map((publisher) => [
    bold(publisher),
    ...lines.filter((_, at) => publisherOf(usable[at]!) === publisher),
  ]);
  const reasons = new Set(rows.flatMap(({ refused = [] }) => refused));
  const others = [...reasons].map((reason) => {
    const names = rows.filter(({ refused }) => refused === reason).map(({ name }) => name);
    return [bold(`Not usable: ${reason}`), ...wrapped(names.join(", "), columns() - 2).map((line) => `  ${dim(line)}`)];
  });
  const foot = usable.some(({ cached }) => cached)
    ? [[dim("✓ is here, not checked; residual weights verify compares it with its hash")]]
    : [];
  return paragraphs([[heading!], ...tables, ...others, ...foot]);
}

function publisherOf({ name }: Row): string {
  if (name.startsWith("hf:")) return "Downloaded from the Hugging Face hub";
  return name.includes("/") ? name.replace(/\/.*/, "") : "Ships inside";
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function pullCommand({ signal }: Context): Command {
  return command("pull", "download weights, unless they are downloaded already", [
    "weights pull resnet50",
    "weights pull timm/resnet50.a1_in1k hf:microsoft/resnet-50",
  ])
    .argument("<name...>")
    .action(async (names: readonly string[], output: Output) => {
      const { pullWeights } = await cache();
      const bar = progressBar();
      const pulled: { readonly name: string; readonly path: string }[] = [];
      const failures: ResidualError[] = [];
      try {
        for (const name of names) {
          try {
            pulled.push({ name, path: await pullWeights(name, { signal, onProgress: bar.onProgress }) });
          } catch (error) {
            failures.push(refusalOf(error, signal));
          }
        }
      } finally {
        bar.end();
      }
      say(output, pulled, () => pulled.map(({ name, path }) => `${name}: ${path}`));
      fail(failures);
    });
}

/** The error of one name among several; throws an error that ends the whole command. */
function refusalOf(error: unknown, signal: Context["signal"]): ResidualError {
  const typed = typedOf(error);
  if (!typed || signal.aborted) throw error;
  return typed;
}

function fail(failures: readonly ResidualError[]): void {
  for (const { code, message } of failures) complain(code, message);
  if (failures.length > 0) process.exitCode = 1;
}

function verifyCommand({ signal }: Context): Command {
  return command("verify", "compare downloaded weights with their hashes", [
    "weights verify",
    "weights verify torchvision/resnet50.v2",
  ])
    .argument("[name]")
    .action(async (name: string | undefined, output: Output) => {
      const { verifyWeights } = await cache();
      const bar = progressBar();
      try {
        const files = await verifyWeights(name, { signal, onProgress: bar.onProgress });
        bar.end();
        const document = files.map(({ problem = null, ...file }) => ({ ...file, problem }));
        say(output, document, () => files.map(wordsOf));
        if (files.some(({ problem }) => problem !== undefined)) process.exitCode = 1;
      } finally {
        bar.end();
      }
    });
}

function wordsOf({ name, path, problem, pinned }: VerifiedFile): string {
  if (problem !== undefined)
    return (
      `${name}: ${path} is damaged: ${problem}; ` +
      `run residual weights prune ${name}, then residual weights pull ${name}`
    );
  return `${name}: ${path} ${pinned ? "is as it should be" : "has no hash to compare with"}`;
}

function pruneCommand(): Command {
  return command("prune", "remove downloaded weights, or leftovers of interrupted downloads", [
    "weights prune",
    "weights prune torchvision/resnet50.v2",
  ])
    .argument("[name...]", "weights to remove; default: leftovers of interrupted downloads")
    .option("--all", "all that was downloaded", false)
    .action(async (names: readonly string[], { all, ...output }: Output & { readonly all: boolean }) => {
      const { pruneWeights } = await cache();
      const removed = await pruneWeights(all ? "all" : names);
      const files = removed.files === 1 ? "1 file" : `${removed.files} files`;
      say(output, removed, () => [`removed ${files}, ${megabytes(removed.bytes)} MB`]);
    });
}

function pathCommand(): Command {
  return command("path", "print where weights are, or the folder of all", [
    "weights path",
    "weights path torchvision/resnet50.v2",
  ])
    .argument("[name]")
    .action(async (name: string | undefined, output: Output) => {
      const { weightsFolder, weightsPath } = await cache();
      const found = name === undefined ? { path: weightsFolder() } : { name, ...(await weightsPath(name)) };
      say(output, found, () => [found.path]);
      if ("cached" in found && !found.cached) {
        process.exitCode = 1;
        remark(`${found.name} is not downloaded; run residual weights pull ${found.name}`);
      }
    });
}
