import { modelNameOf } from "@residual/core";
import { beforeAll, describe, expect, it } from "vitest";
import { golden } from "../testing/golden.ts";
import { document, succeed } from "../testing/residual.ts";

interface Row {
  readonly name: string;
  readonly parameters: number;
  readonly macs: number;
  readonly input: readonly number[];
  readonly weights: readonly string[];
}

interface Structure {
  readonly id: string;
  readonly input: readonly number[];
  readonly params: number;
  readonly macs: { readonly total: number };
}

let rows: readonly Row[];
beforeAll(async () => {
  rows = await document(["models"]);
});

it("lists every model that PyTorch's structures are recorded of, with their numbers", async () => {
  const { models } = golden<{ models: readonly Structure[] }>("structure/index.json");
  expect(models.length).toBeGreaterThan(30);
  for (const { id, input, params, macs } of models) {
    const row = rows.find(({ name }) => name === modelNameOf(id.replace(/^timm_/, "")))!;
    expect(Object.keys(row)).toEqual(["name", "parameters", "macs", "input", "weights"]);
    const isAlike = row.input.join() === input.join(); // teaching nets are recorded at odd sizes
    const numbers = isAlike ? row : await document(["summary", row.name, "--input", input.join("x")]);
    expect(numbers, id).toMatchObject({ parameters: params, macs: macs.total, input });
  }
});

it("lists a model by its own name, not by the goldens'", () => {
  const names = rows.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["paddle_unit", "keras_tutorial_resnet", "pytorch_tutorial_net"]));
  expect(names.filter((name) => name.startsWith("seed"))).toEqual([]);
});

it("names the weights that are known for each model, and none that cannot be used", () => {
  const weightsOf = (model: string) => rows.find(({ name }) => name === model)!.weights;
  expect(weightsOf("cifar_resnet20")).toEqual(["resnet20-cifar10", "akamaster/resnet20"]);
  expect(weightsOf("resnet50")).toEqual(
    expect.arrayContaining(["torchvision/resnet50.v1", "torchvision/resnet50.v2", "timm/resnet50.a1_in1k"]),
  );
  expect(weightsOf("resnet50")).not.toContain("torchvision/resnet50.fbgemm-v2"); // quantized
  expect(weightsOf("paddle_unit")).toEqual([]);
});

it("lists the models whose names have a part", async () => {
  const found = await document<readonly Row[]>(["models", "preact"]);
  expect(found).toEqual(rows.filter(({ name }) => name.includes("preact")));
  expect(found.length).toBeGreaterThan(0);
  const { stdout } = await succeed(["models", "paddle"]);
  expect(stdout, "among those that only --all lists").toMatch(/^paddle_unit /m);
  expect(stdout).not.toContain("--all");
  expect((await succeed(["models", "renset50"])).stdout).toBe("no name contains this text; did you mean resnet50?\n");
});

describe("for people", () => {
  const namesIn = (stdout: string) => stdout.match(/^\w+(?= +[\d,]+ )/gm)!;

  it("is a table by families, that with weights inside first, in 80 columns", async () => {
    const { stdout, stderr } = await succeed(["models"]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^model +parameters +multiply-adds +input +weights\n\nWith weights that ship inside\n/);
    const count = rows.find(({ name }) => name === "resnet50")!.weights.length;
    expect(stdout).toMatch(new RegExp(`^resnet50 +25,557,032 +4,089,184,256 +1×3×224×224 +${count}$`, "m"));
    expect(namesIn(stdout)[0]).toBe("cifar_resnet20");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const family = /\n\nResNeXt\n([\s\S]*?)\n\n/.exec(stdout)![1]!;
    expect(namesIn(family)).toEqual(expect.arrayContaining(["resnext14_32x4d", "resnext50_32x4d", "resnext101_32x8d"]));
  });

  it("lists oddities with --all alone, each model once", async () => {
    const few = namesIn((await succeed(["models"])).stdout);
    const all = namesIn((await succeed(["models", "--all"])).stdout);
    expect(all.toSorted()).toEqual(rows.map(({ name }) => name).toSorted());
    const odd = ["paddle_unit", "resnet50v2_trunk", "cifar_resnet20_padend", "keras_tutorial_resnet"];
    for (const name of odd) expect([few.includes(name), all.includes(name)], name).toEqual([false, true]);
  });
});
