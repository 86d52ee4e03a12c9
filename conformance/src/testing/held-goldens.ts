import { type ResNetOptions, resnet, type Summary, summarize } from "@residual/core";
import { everyTest } from "@residual/kit/testing/every-test";
import { specOf } from "../suite/fixture-model.ts";
import { modelGolden, modelGoldenIds, modelName } from "../suite/goldens.ts";
import type { ConformOptions } from "../suite/options.ts";

/** The parameters of the largest light model. Drawing, hashing and loading them takes some tenths of a second. */
const MOST_PARAMETERS = 3e7;

/** The multiply-adds of the largest answers that backends check in every run: a second or two of wasm's time. */
const MOST_MACS = 1e10;

/** The goldens that every test run checks: all long records, and the short records of models that are not large. */
export async function lightGoldenIds(): Promise<readonly string[]> {
  const ids = await modelGoldenIds();
  const taken = await Promise.all(ids.map(async (id) => (await modelGolden(id)).tensors !== undefined || isLight(id)));
  return ids.filter((_, i) => taken[i]);
}

/** The goldens that this run checks. */
export function heldGoldenIds(): Promise<readonly string[]> {
  return everyTest ? modelGoldenIds() : lightGoldenIds();
}

/** The models for level models: the models of the light goldens that are quick to run, or all that level full runs. */
export async function heldModels(): Promise<Pick<ConformOptions, "models">> {
  if (everyTest) return {};
  const ids = await lightGoldenIds();
  const known = await Promise.all(ids.map(async (id) => ({ id, input: (await modelGolden(id)).input.shape })));
  const quick = known.filter(({ id, input }) => summaryOf(id, { input }).macs <= MOST_MACS);
  return { models: [...new Set(quick.map(({ id }) => modelName(id)))] };
}

function isLight(id: string): boolean {
  return summaryOf(id).parameters <= MOST_PARAMETERS;
}

function summaryOf(id: string, options: ResNetOptions = {}): Summary {
  return summarize(resnet(specOf(modelName(id)), options));
}
