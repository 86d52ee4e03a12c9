import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readModels } from "./index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-models-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(text: string) {
  const path = join(folder, "models.json");
  await writeFile(path, text);
  return readModels(path);
}

describe("models.json", () => {
  it("lists models with everything that load() takes", async () => {
    const models = [
      { name: "cats", model: "resnet50", weights: "cats.safetensors", labels: ["cat", "lion"] },
      {
        name: "raw",
        preprocessing: { resize: 32, crop: 32, interpolation: "bicubic", mean: [0, 0, 0], upright: true },
      },
    ];
    expect(await read(JSON.stringify({ models }))).toEqual(models);
  });

  it.each([
    ["{", "models.json: it is not JSON"],
    ["{}", "models.json: models: Invalid input: expected array, received undefined"],
    ['{"models": []}', "models: Too small"],
    ['{"models": [{"model": "resnet50"}]}', "models[0].name: Invalid input: expected string, received undefined"],
    ['{"models": [{"name": "a/b"}]}', "models[0].name: expected letters, digits, `_`, `.` and `-`"],
    ['{"models": [{"name": "a"}, {"name": "a"}]}', "models: two models have the same name"],
    ['{"models": [{"name": "a", "wieghts": "x"}]}', 'models[0]: Unrecognized key: "wieghts"'],
    [
      '{"models": [{"name": "a", "labels": [1]}]}',
      "models[0].labels[0]: Invalid input: expected string, received number",
    ],
    ['{"models": [{"name": "a", "preprocessing": {"mean": [1, 2]}}]}', "models[0].preprocessing.mean: Too small"],
  ])("%s", async (text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: "FormatError",
      message: expect.stringContaining(message) as string,
    });
  });

  it("names a file that is not there", async () => {
    await expect(readModels(join(folder, "none.json"))).rejects.toMatchObject({
      code: "FormatError",
      message: expect.stringContaining("none.json: it cannot be read (ENOENT)") as string,
    });
  });
});
