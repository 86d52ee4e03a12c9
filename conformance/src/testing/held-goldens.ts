import { resnet, summarize } from "@residual/core";
import { specOf } from "../suite/fixture-model.ts";
import { modelGolden, modelGoldenIds, modelName } from "../suite/goldens.ts";
import type { ConformOptions } from "../suite/options.ts";

/** Whether to check every golden, which takes several minutes: `pnpm test:all`. */
export const everyGolden = process.env.RESIDUAL_GOLDENS === "all";

/** The parameters of the largest light model. Drawing, hashing and loading them takes some tenths of a second. */
const MOST_PARAMETERS = 3e7;

/** The goldens that every test run checks: all long records, and the short records of models that are not large. */
export async function lightGoldenIds(): Promise<readonly string[]> {
  const ids = await modelGoldenIds();
  const taken = await Promise.all(ids.map(async (id) => (await modelGolden(id)).tensors !== undefined || isLight(id)));
  return ids.filter((_, i) => taken[i]);
}

/** The goldens that this run checks. */
export function heldGoldenIds(): Promise<readonly string[]> {
  return everyGolden ? modelGoldenIds() : lightGoldenIds();
}

/** The models for level models: the models of the light goldens, or all that level full runs. */
export async function heldModels(): Promise<Pick<ConformOptions, "models">> {
  return everyGolden ? {} : { models: [...new Set((await lightGoldenIds()).map(modelName))] };
}

function isLight(id: string): boolean {
  return summarize(resnet(specOf(modelName(id)))).parameters <= MOST_PARAMETERS;
}
