import { readFile } from "node:fs/promises";
import { FormatError, interpolations } from "@residual/core";
import { problemsOf } from "@residual/open-inference";
import { z } from "zod";
import type { ModelEntry } from "./options.ts";

const rgb = z.array(z.number()).length(3);

const preprocessing = z.strictObject({
  resize: z.int().min(1).exactOptional(),
  crop: z.int().min(1).exactOptional(),
  interpolation: z.enum(interpolations).exactOptional(),
  scale: z.number().exactOptional(),
  mean: rgb.exactOptional(),
  std: rgb.exactOptional(),
  channels: z.enum(["rgb", "bgr"]).exactOptional(),
  upright: z.boolean().exactOptional(),
});

const entry: z.ZodType<ModelEntry> = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, "expected letters, digits, `_`, `.` and `-`"),
  model: z.string().exactOptional(),
  weights: z.string().exactOptional(),
  labels: z.array(z.string()).exactOptional(),
  preprocessing: preprocessing.exactOptional(),
});

const modelsFile = z.strictObject({
  models: z
    .array(entry)
    .min(1)
    .refine(
      (models) => new Set(models.map(({ name }) => name)).size === models.length,
      "two models have the same name",
    ),
});

/** The models to serve, from `{ "models": [{ "name": … }] }`. Throws FormatError that names the wrong field. */
export async function readModels(path: string): Promise<readonly ModelEntry[]> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException): never => {
    throw new FormatError(`${path}: it cannot be read (${cause.code}); check the path`, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: it is not JSON (${(cause as Error).message})`, { cause });
  }
  const { data, error } = modelsFile.safeParse(value);
  if (error) throw new FormatError(`${path}: ${problemsOf(error)}`);
  return data.models;
}
