/**
 * How fast files of weights are read, in GB/s, and how much memory that takes: ResNet-50 with generated numbers, of
 * 102 MB, in a process of its own each time, with the file in the page cache. "read" is what a backend waits for: every
 * number was looked at, and large tensors stay in the file. "all in memory" copies them too.
 *
 *   node --conditions=@residual/source scripts/read-speed/index.ts [PYTHON]
 *
 * PYTHON has torch and safetensors, for the same files. Linux: the memory is that of /proc.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fixtureWeights, resnet, variants } from "../../packages/core/src/index.ts";
import { writeNpz, writePyTorch, writeSafetensors } from "../../packages/weights/src/index.ts";

const ROUNDS = 7;
const python = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), "residual-read-"));
const writers = { "resnet50.safetensors": writeSafetensors, "resnet50.pth": writePyTorch, "resnet50.npz": writeNpz };

interface Found {
  /** In milliseconds. */
  readonly read: number;
  readonly all: number;
  /** Resident set at its most, over what it was before, in bytes. */
  readonly memory: number;
}

function answer(command: string, words: readonly string[]): Found {
  const { stdout, stderr, status } = spawnSync(command, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Found;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

try {
  const { tensors } = fixtureWeights(resnet(variants.resnet50), "v1");
  console.log("| file | read by | read | all in memory | memory, of the file |\n| - | - | - | - | - |");
  for (const [name, write] of Object.entries(writers)) {
    const path = join(folder, name);
    const small = join(folder, `small-${name}`);
    await write(path, tensors);
    await write(small, new Map([...tensors].slice(0, 1)));
    readFileSync(path); // into the page cache
    const readers: [string, () => Found][] = [
      [
        "residual",
        () => answer(process.execPath, [...process.execArgv, join(import.meta.dirname, "child.ts"), path, small]),
      ],
    ];
    if (python && !name.endsWith(".npz"))
      readers.push(["Python", () => answer(python, [join(import.meta.dirname, "peer.py"), path])]);
    const times = readers.map(() => [] as Found[]);
    for (let round = 0; round < ROUNDS; round++) for (const [i, [, run]] of readers.entries()) times[i]!.push(run());
    const { size } = statSync(path);
    for (const [i, [reader]] of readers.entries()) {
      const speed = (kind: "read" | "all") =>
        `${(size / 1e6 / median(times[i]!.map((each) => each[kind]))).toFixed(2)} GB/s`;
      const memory = median(times[i]!.map((each) => each.memory)) / size;
      console.log(`| ${name} | ${reader} | ${speed("read")} | ${speed("all")} | ${memory.toFixed(2)} |`);
    }
    rmSync(path);
  }
} finally {
  rmSync(folder, { recursive: true });
}
