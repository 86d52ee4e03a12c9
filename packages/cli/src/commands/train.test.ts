import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readPyTorchCheckpoint, readWeights, type SgdGroup } from "@residual/weights";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { png } from "../testing/png.ts";
import { bin, document, type Ended, ended, residual, start, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();
const SIDE = 32;

/** Noise around a shade. */
function pixels(shade: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => shade + ((i * 7919 + seed * 104729) % 61));
}

/** Two classes that are easily told apart, in CIFAR-10's binary format. */
const records = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.from([i % 2, ...pixels(i % 2 ? 150 : 20, i)])));

async function picture(path: string, shade: number, seed: number): Promise<void> {
  await mkdir(dirname(folder.in(path)), { recursive: true });
  await writeFile(folder.in(path), png(SIDE, SIDE, pixels(shade, seed)));
}

beforeAll(async () => {
  await writeFile(folder.in("data.bin"), records(40));
  for (let i = 0; i < 6; i++) {
    await picture(`photos/dark/${i}.png`, 20, i);
    await picture(`photos/light/${i}.png`, 150, 100 + i);
  }
});

/** A network of 78,000 weights from random ones: ten epochs of two steps, so that a signal comes before the end. */
const scratch = (out: string, ...more: string[]): string[] => [
  ...`train ../data.bin --model mlperf_tiny_resnet8 --weights none --backend onnx --threads 1`.split(" "),
  ...`--epochs 10 --batch 16 --learning-rate 0.02 --out ${out}`.split(" "),
  ...more,
];

/** Runs with the same arguments need different working folders. */
async function inside(name: string): Promise<{ readonly cwd: string }> {
  await mkdir(folder.in(name), { recursive: true });
  return { cwd: folder.in(name) };
}

/** Every file of a run. */
async function filesOf(name: string): Promise<ReadonlyMap<string, Buffer>> {
  const run = join(folder.in(name), "run");
  const names = (await readdir(run, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  const paths = names.map(({ parentPath, name: file }) => join(parentPath, file)).sort();
  return new Map(await Promise.all(paths.map(async (path) => [path.slice(run.length), await readFile(path)] as const)));
}

/** Ends a run with a signal once it has said a text on stderr. */
function endedAt(child: ChildProcess, text: string, signal: NodeJS.Signals): Promise<Ended> {
  let said = "";
  child.stderr!.on("data", (more: string) => {
    const isNew = !said.includes(text); // a second Ctrl-C would end it at once
    said += more;
    if (isNew && said.includes(text)) child.kill(signal);
  });
  return ended(child);
}

interface Report {
  readonly best: { readonly epoch: number; readonly accuracy: number };
  readonly history: readonly object[];
  readonly labels: readonly string[];
  readonly unreadable: readonly string[];
}

describe("from random weights", () => {
  it("learns, and prints one document", async () => {
    const report = await document<Report>(scratch("run"), await inside("whole"));
    expect(Object.keys(report)[0]).toBe("best");
    expect(report.history).toHaveLength(10);
    expect(report.best.epoch).toBeGreaterThan(0);
    expect([...(await filesOf("whole")).keys()]).toEqual([
      "/best.safetensors",
      "/last/checkpoint.safetensors",
      "/last/weights.safetensors",
      "/log.jsonl",
      "/report.html",
    ]);
    const lines = (await readFile(folder.in("whole/run/log.jsonl"), "utf8")).trimEnd().split("\n");
    const kinds = lines.map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds).toEqual(Array.from({ length: 10 }, () => ["step", "step", "epoch"]).flat());
  });

  it("goes on after Ctrl-C and after kill -9, to the same bits", async () => {
    const where = await inside("stopped");
    const words = scratch("run", "--json");
    const stopped = await endedAt(start(process.execPath, [bin, ...words], where), "epoch 1 of 10", "SIGINT");
    expect(stopped).toMatchObject({ stdout: "", code: 130 });
    expect(stopped.stderr).toMatch(/saved after step \d+; best so far: epoch \d+, [\d.]+ % of the held-out pictures; /);
    expect(stopped.stderr).toContain("; the same command goes on from run\n");
    expect(stopped.stderr).toMatch(/AbortError: stopped by Ctrl-C\n$/);
    const killed = await endedAt(start(process.execPath, [bin, ...words], where), " of 10: loss", "SIGKILL");
    expect(killed.stderr).toMatch(/goes on after step \d+ of 20\n/);
    const { stderr } = await succeed(words, where);
    expect(stderr).toMatch(/goes on after step \d+ of 20\n/);
    const [whole, found] = [await filesOf("whole"), await filesOf("stopped")];
    expect([...found.keys()]).toEqual([...whole.keys()]);
    for (const [name, bytes] of whole) expect(found.get(name)!.equals(bytes), name).toBe(true);
  });

  it("refuses other options for the same folder, and names them", async () => {
    const { stderr, code } = await residual(scratch("run", "--weight-decay", "0", "--mixup", "1"), {
      cwd: folder.in("whole"),
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/it differs in --weight-decay, --mixup; give the options .* or another folder\n$/);
  });

  it("makes weights that classify takes with nothing else", async () => {
    const best = folder.in("whole/run/best.safetensors");
    const words = ["classify", folder.in("photos/dark/0.png"), "--weights", best];
    const [row] = await document<readonly { predictions: readonly { label: string }[] }[]>(words);
    expect(row?.predictions).toHaveLength(5);
    expect((await readWeights(best)).labels).toContain(row?.predictions[0]?.label);
  });

  it("goes to PyTorch with its optimizer", async () => {
    const pth = folder.in("run.pth");
    await succeed(["convert", folder.in("whole/run/last/checkpoint.safetensors"), pth]);
    const { weights, optimizer, epoch } = await readPyTorchCheckpoint(pth);
    expect([optimizer?.kind, epoch, weights.model]).toEqual(["sgd", 10, "mlperf_tiny_resnet8"]);
    const [decayed, others] = (optimizer?.groups ?? []) as readonly SgdGroup[];
    expect(decayed).toMatchObject({ momentum: 0.9, nesterov: true, weightDecay: 5e-4 });
    expect(others).toMatchObject({ momentum: 0.9, nesterov: true, weightDecay: 0 });
    expect(decayed?.names).toContain("fc.weight");
    expect(others?.names).toContain("fc.bias");
    expect(optimizer?.momenta.size).toBe(decayed!.names.length + others!.names.length);
  });

  it("ends where the loss is not finite, and names the node", async () => {
    const where = await inside("diverged");
    const { stderr, code } = await residual(scratch("run", "--learning-rate", "1e30"), where);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^NonFiniteError: the loss is not finite at step \d.*: the first value .* is \S+ \(\w+\)/);
    expect(existsSync(folder.in("diverged/run/best.safetensors"))).toBe(false);
  });
});

describe("fine-tuning", () => {
  const model = ["--model", "mlperf_tiny_resnet8", "--weights", "fixture:v1", "--backend", "onnx"];
  const tuned = (data: string, ...more: string[]) =>
    residual(["train", folder.in(data), ...model, "--epochs", "0", "--json", ...more], { cwd: folder.path });

  it("learns classes that the weights do not know, and names a corrupt picture", async () => {
    for (let i = 0; i < 6; i++) {
      await picture(`corrupt/dark/${i}.png`, 20, i);
      await picture(`corrupt/light/${i}.png`, 150, 100 + i);
    }
    await writeFile(folder.in("corrupt/dark/3.png"), "no picture");
    const { stdout, stderr, code } = await tuned("corrupt", "--out", folder.in("tuned"));
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.labels).toEqual(["dark", "light"]);
    expect(report.unreadable).toEqual([join("dark", "3.png")]);
    expect(report.best.accuracy).toBe(1);
    expect(stderr).toMatch(/^dark\/3\.png is left out \(1 so far\): /m);
    const page = await readFile(folder.in("tuned/report.html"), "utf8");
    expect(page).toContain("1 picture could not be read");
    expect(page).toContain('href="../corrupt/light/');
    const words = ["classify", folder.in("photos/light/5.png"), "--weights", folder.in("tuned/best.safetensors")];
    const [row] = await document<readonly { predictions: readonly { label: string }[] }[]>(words);
    expect(row?.predictions[0]?.label).toBe("light");
  });

  it("of an empty class, of one picture, or of other classes held out is an error before any work", async () => {
    await mkdir(folder.in("empty/none"), { recursive: true });
    await picture("empty/dark/0.png", 20, 1);
    await picture("one/dark/0.png", 20, 1);
    for (const part of ["train", "val"]) await picture(`parts/${part}/dark/0.png`, 20, 1);
    for (const label of ["light", "lighter"]) await picture(`parts/train/${label}/0.png`, 150, 1);
    await picture("parts/val/light/0.png", 150, 1);
    const ends = await Promise.all(["empty", "one", "parts"].map((data) => tuned(data)));
    for (const end of ends) expect(end).toMatchObject({ stdout: "", code: 1 });
    expect(ends[0]!.stderr).toMatch(/^FormatError: .*: no pictures in none; .*add some, or remove it\n$/);
    expect(ends[1]!.stderr).toMatch(/^FormatError: .*: found one folder \(dark\), expected a folder for each/);
    expect(ends[2]!.stderr).toMatch(/^FormatError: .*lighter/);
    expect(existsSync(folder.in("run"))).toBe(false);
  });

  it("an --out that is a file is invalid usage, and a failed run leaves no empty folder", async () => {
    const { stderr, code } = await tuned("photos", "--out", folder.in("data.bin"));
    expect([stderr, code]).toEqual([`UsageError: --out ${folder.in("data.bin")} is a file; give a folder\n`, 2]);
    expect((await tuned("photos", "--out", folder.in("left"), "--weights", "nothing.safetensors")).code).toBe(1);
    expect(existsSync(folder.in("left"))).toBe(false);
  });

  it("needs to be told of weights that do not ship", async () => {
    const { stderr, code } = await residual(["train", "photos", "--model", "resnet18"], { cwd: folder.path });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^UsageError: no weights ship for resnet18; .* or --weights none to begin with random ones\n$/,
    );
  });
});
