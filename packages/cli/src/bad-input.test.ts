import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { tensorOf } from "@residual/core";
import { readWeights, writeSafetensors } from "@residual/weights";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./testing/folder.ts";
import { png } from "./testing/png.ts";
import { ended, photo, residual, start } from "./testing/residual.ts";

const folder = temporaryFolder();
const chelsea = photo("chelsea.png");
const known = fileURLToPath(new URL("../../weights/known/resnet20-cifar10.safetensors", import.meta.url));

beforeAll(async () => {
  await writeFile(folder.in("text.jpg"), "no picture\n");
  await ended(start("mkfifo", [folder.in("pipe")])); // not /dev/null: whom this test catches would replace it
  await ended(start("mkfifo", [folder.in("pipe.safetensors")]));
  await mkdir(folder.in("folder"));
  await mkdir(folder.in("folder.safetensors"));
  await writeFile(folder.in("huge.png"), png(40_000, 40_000, new Uint8Array()));
  await writeFile(folder.in("half.png"), (await readFile(chelsea)).subarray(0, 100_000));
  const bytes = await readFile(known);
  await writeFile(folder.in("cut.safetensors"), bytes);
  await truncate(folder.in("cut.safetensors"), bytes.length - 1000);
  await writeFile(folder.in("empty.safetensors"), "");
  await writeFile(folder.in("weights.pkl"), Buffer.from("\x80\x02cos\nsystem\n(S'true'\ntR.", "latin1"));
  await writeFile(folder.in("labels.bin"), Buffer.alloc(3073, 10)); // label 10
  const { tensors, metadata } = await readWeights(known);
  const bias = Float32Array.from({ length: 10 }, (_, i) => (i === 7 ? Number.NaN : 0));
  const broken = new Map(tensors).set("fc.bias", tensorOf("float32", [10], bias));
  await writeSafetensors(folder.in("nan.safetensors"), broken, metadata);
  await writeSafetensors(folder.in("other.safetensors"), tensors, { ...metadata, model: "vit_b_16" });
  await writeSafetensors(folder.in("garbled.safetensors"), tensors, { model: "cifar_resnet20", preprocessing: "{" });
});

/** Words, exit code (2: the words are wrong, 1: the job failed), and how the message starts. */
type Bad = readonly [words: readonly string[], code: 1 | 2, message: RegExp];

const fixture = ["--weights", "fixture:v1"];
const run = (...words: string[]) => ["run", "cifar_resnet20", ...fixture, "--out", "out.safetensors", ...words];
const shaped = (shape: string) => run("--input", "fixture:v1", "--shape", shape);

const tables: { readonly [topic: string]: readonly Bad[] } = {
  "names that are misspelt": [
    [["clasify", chelsea], 2, /^UsageError: unknown command 'clasify'; did you mean classify\?$/],
    [["help", "clasify"], 2, /^UsageError: unknown command 'clasify'; did you mean classify\?$/],
    [["clasify", "--help"], 2, /^UsageError: unknown command 'clasify'; did you mean classify\?$/],
    [["--no-color", "help", "zzz"], 2, /^UsageError: unknown command 'zzz'; see residual --help$/],
    [["zzz"], 2, /^UsageError: unknown command 'zzz'; see residual --help$/],
    [["classify", chelsea, "--wieghts", "x"], 2, /^UsageError: unknown option '--wieghts'; did you mean --weights\?$/],
    [["models", "--colour"], 2, /^UsageError: unknown option '--colour'; see residual models --help$/],
    [["summary", "resnet5"], 2, /^UsageError: there is no model resnet5; did you mean resnet50\?$/],
    [["summary", "vit_b_16"], 2, /^UsageError: there is no model vit_b_16; see residual models$/],
    [["classify", chelsea, "--backend", "onx"], 2, /^UsageError: there is no backend onx; did you mean onnx\?$/],
    [
      ["classify", chelsea, "--backend", "webgl"],
      2,
      /^UsageError: there is no backend webgl; did you mean tfjs-webgl\?$/,
    ],
    [["classify", chelsea, "--backend", "cpu"], 2, /^UsageError: there is no backend cpu; there are auto, onnx, /],
    [["classify", chelsea, "--interpolation", "bilinaer"], 2, /^UsageError: .*did you mean bilinear\?$/],
    [
      ["classify", chelsea, "--weights", "resnet20-cifar1O"],
      1,
      /^WeightsError: .*no such file; did you mean the known weights resnet20-cifar10\?$/,
    ],
    [
      run("--input", "fixture:v1", "--outputs", "logits,layr1"),
      2,
      /^UsageError: --outputs: .* no value layr1; nearest are layer1, layer2, layer3, /,
    ],
  ],
  "words that are missing, or too many": [
    [["classify"], 2, /^UsageError: missing required argument 'image'; see residual classify --help$/],
    [["summary"], 2, /^UsageError: missing required argument 'model'/],
    [["summary", "resnet18", "x"], 2, /^UsageError: too many arguments .* but got 2; see residual summary --help$/],
    [["run", "resnet18", "--input", "fixture:v1", "--out", "x"], 2, /^UsageError: required option '--weights <w>'/],
    [["run", "resnet18", ...fixture, "--input", "fixture:v1"], 2, /^UsageError: required option '--out <file>'/],
    [["preprocess", chelsea], 2, /^UsageError: required option '--out <file>'/],
    [["eval", "cifar_resnet20"], 2, /^UsageError: required option '--data <path>'/],
    [["export", "resnet18", ...fixture], 2, /^UsageError: required option '--to <path>'/],
    [["classify", chelsea, "--weights", "fixture:v1"], 2, /^UsageError: fixture:v1 fits every model; name one/],
    [
      ["classify", chelsea, "--model", "resnet18"],
      2,
      /^UsageError: no weights ship for resnet18; give --weights resnet18 to/,
    ],
    [["classify", chelsea, "--model", "resnet18", "--weights", "fixture:"], 2, /^UsageError: .*lacks its salt/],
    [run("--input", chelsea, "--shape", "1x3x32x32"), 2, /^UsageError: --shape goes with --input fixture:SALT/],
    [
      ["classify", chelsea, "--model", "resnet50v2_trunk", ...fixture],
      2,
      /^UsageError: resnet50v2_trunk has no logits/,
    ],
  ],
  "shapes and numbers": [
    ...["0x3x8x8", "1x3x8", "axbxcxd", "1x3x1e1x8", "1x 3x8x8", ""].map(
      (shape): Bad => [
        shaped(shape),
        2,
        /^UsageError: ".*" is not a shape; write batch, channels, height and width as/,
      ],
    ),
    [shaped("1x224x224x3"), 2, /^UsageError: 1x224x224x3 has its channels last .*: write 1x3x224x224$/],
    [["summary", "resnet50", "--input", "1x224x224x3"], 2, /^UsageError: .* shapes are NCHW here: write 1x3x224x224$/],
    [shaped("9000000x3x8x8"), 2, /^UsageError: --shape 9000000x3x8x8 is \d+ numbers, more than/],
    [
      ["run", "resnet50", ...fixture, "--input", "fixture:v1", "--shape", "9000000x3x1x1", "--out", "x.safetensors"],
      1,
      /^OutOfMemoryError: resnet50 needs at least [\d.]+ GiB .*; give a smaller --shape$/,
    ],
    [["bench", "resnet18", "--batch", "10000000"], 1, /^OutOfMemoryError: .* give a smaller --batch or --size$/],
    [shaped("1x3x99999x99999"), 2, /^UsageError: --shape 1x3x99999x99999 is 29999400003 numbers, more than/],
    [["classify", chelsea, "--top", "0"], 2, /^UsageError: option '--top <k>' argument '0': expected a whole number/],
    [["classify", chelsea, "--threads", "100000"], 1, /^UnsupportedError: onnx: threads is 100000, expected/],
    [["classify", chelsea, "--mean", "1,2"], 2, /^UsageError: --mean: found \[1,2\], expected 3 numbers$/],
    [
      ["classify", chelsea, "--mean", "1,2,"],
      2,
      /^UsageError: option '--mean <r,g,b>' argument '1,2,': expected a number, found ""/,
    ],
    [["classify", chelsea, "--std", "1,0,1"], 2, /^UsageError: --std: found \[1,0,1\], expected 3 numbers above 0$/],
    [["classify", chelsea, "--crop", "99999"], 2, /^UsageError: --crop: found 99999, expected a whole number from 1/],
  ],
  "pictures and data": [
    [["classify", "missing.png"], 1, /^FormatError: missing\.png: not found/],
    [["classify", "text.jpg"], 1, /^FormatError: text\.jpg: found text/],
    [["classify", "folder"], 1, /^FormatError: folder: found a folder without pictures; name a picture/],
    [["classify", "*.gif"], 1, /^FormatError: \*\.gif: no file matches; check the pattern$/],
    [["classify", "-", "-"], 2, /^UsageError: - is one picture on stdin, and can be given once$/],
    [["classify", "-"], 1, /^FormatError: stdin is empty, expected a picture; add < and a file, or pipe one in$/],
    [run("--input", "-"), 1, /^FormatError: stdin is empty, expected a picture; /],
    [["preprocess", "-", "--out", "x.safetensors"], 1, /^FormatError: stdin is empty, expected a picture; /],
    [
      ["classify", "a\nFormatError: b\x1b[2J.png"],
      1,
      /^FormatError: a\\(n|u\{a\})FormatError: b\\u(001b|\{1b\})\[2J\.png: not found/,
    ],
    [["classify", "huge.png"], 1, /^FormatError: huge\.png: found 40000 x 40000, 1600000000 pixels, expected at most/],
    [["classify", chelsea, "--max-pixels", "9"], 1, /found 451 x 300, 135300 pixels, expected at most 9; shrink it/],
    [["preprocess", chelsea, "--out", "p.safetensors", "--max-pixels", "9"], 1, /135300 pixels, expected at most 9;/],
    [run("--input", chelsea, "--max-pixels", "9"), 1, /135300 pixels, expected at most 9;/],
    [["classify", "half.png"], 1, /^FormatError: half\.png: found a damaged or cut image/],
    [run("--input", "missing.png"), 1, /^FormatError: missing\.png: not found/],
    [run("--input", known), 1, /^FormatError: .*it holds 97 tensors, conv1\.weight, .* …; expected a float32 tensor/],
    [["eval", "cifar_resnet20", "--data", "missing"], 1, /^FormatError: missing was not found/],
    [["eval", "cifar_resnet20", "--data", "text.jpg"], 1, /^FormatError: text\.jpg: CIFAR-10 file: found 11 bytes/],
    [["eval", "cifar_resnet20", "--data", "labels.bin"], 1, /^FormatError: labels\.bin: .*found label 10 on image 0/],
  ],
  weights: [
    [["classify", chelsea, "--weights", "cut.safetensors"], 1, /^FormatError: .*cut\.safetensors: /],
    [["classify", chelsea, "--weights", "empty.safetensors"], 1, /^FormatError: .*found an empty file/],
    [["classify", chelsea, "--weights", chelsea, "--model", "resnet18"], 1, /^FormatError: .*chelsea\.png: /],
    [
      ["classify", chelsea, "--weights", "weights.pkl"],
      1,
      /^FormatError: weights\.pkl: found a pickle, .*; save the tensors with torch\.save/,
    ],
    [
      ["classify", chelsea, "--weights", "nan.safetensors"],
      1,
      /^WeightsError: 1 problem between .*; use another file of these weights:\n {2}fc\.bias is not finite: .*NaN/,
    ],
    [
      ["classify", chelsea, "--weights", "other.safetensors"],
      1,
      /^FormatError: .* says it is for vit_b_16, an unknown model/,
    ],
    [
      ["classify", chelsea, "--weights", "garbled.safetensors"],
      1,
      /^FormatError: garbled\.safetensors: preprocessing: found "\{", expected J/,
    ],
    [
      ["summary", "cifar_resnet32", "--weights", known],
      1,
      new RegExp(
        "^WeightsError: these weights are for cifar_resnet20: 60 problems .*" +
          "(\\n {2}layer\\d.* is missing: expected .*){10}\\n {2}… and 50 more$",
      ),
    ],
  ],
  "places to write to": [
    ...["x.npy", "x.pt", "x.safetensors.bak"].map(
      (out): Bad => [
        run("--input", "fixture:v1", "--out", out),
        2,
        /^UsageError: --out x.* ends in \.\w+; expected \.safete/,
      ],
    ),
    ...[run("--input", "fixture:v1", "--out", "o"), ["preprocess", chelsea, "--out", "o"]].map(
      (words): Bad => [words, 2, /^UsageError: --out o has no ending; expected \.safetensors, /],
    ),
    [run("--input", "fixture:v1", "--out", ""), 2, /^UsageError: --out is empty; expected a path$/],
    [["preprocess", chelsea, "--out", "x.npz"], 2, /^UsageError: --out x\.npz ends in \.npz; expected \.safetensors/],
    [["preprocess", chelsea, "--out", ".safetensors"], 2, /^UsageError: .* is an ending without a name; write model\./],
    [["export", "resnet18", ...fixture, "--to", ""], 2, /^UsageError: --to is empty; expected a path$/],
    [
      ["export", "resnet18", ...fixture, "--to", ".onnx"],
      2,
      /^UsageError: --to \.onnx is an ending .*; write model\.onnx$/,
    ],
    [
      ["export", "resnet18", ...fixture, "--to", "x.xyz"],
      2,
      /^UsageError: --to x\.xyz ends in \.xyz; expected .*\.onnx/,
    ],
    [run("--input", "fixture:v1", "--out", "no/x.safetensors"), 1, /^FormatError: no\/x\..*: there is no folder no; /],
    [
      run("--input", "fixture:v1", "--out", "folder.safetensors"),
      1,
      /^FormatError: folder\.safetensors: found a directory, expected a path for/,
    ],
    [run("--input", "fixture:v1", "--out", "pipe.safetensors"), 1, /^FormatError: pipe\..*: found a device or a pipe/],
    [
      run("--input", "fixture:v1", "--out", "/proc/x.safetensors"),
      1,
      /^FormatError: \/proc\/x\..*: it cannot be written/,
    ],
    [
      ["preprocess", chelsea, "--out", "no/x.safetensors"],
      1,
      /^FormatError: no\/x\..*: there is no folder no; make it/,
    ],
    [["preprocess", "missing.png", "--out", "x.safetensors"], 1, /^FormatError: missing\.png: not found/],
  ],
};

describe.each(Object.entries(tables))("%s", (_, rows) => {
  it.each(rows)("residual %j: exit %i, %s", async (words, code, message) => {
    const before = await readdir(folder.path);
    const { stdout, stderr, code: found } = await residual(words, { cwd: folder.path });
    expect(stderr.trimEnd()).toMatch(message);
    expect([stdout, found]).toEqual(["", code]);
    expect(stderr, "a line, and more only as a list").toMatch(/^[A-Z]\w+Error: .+\n( {2}.+\n)*$/);
    expect(stderr).not.toMatch(/^ +at /m); // a stack
    expect(await readdir(folder.path), "nothing is left behind").toEqual(before);
  });
});
