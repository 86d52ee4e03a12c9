import { type ModelName, resnet, summarize } from "@residual/core";
import { specOf } from "../suite/fixture-model.ts";
import { modelGolden, modelGoldenIds, modelName } from "../suite/goldens.ts";

/** Whether to hold every golden, which takes several minutes: `pnpm test:all`. */
export const everyGolden = process.env.RESIDUAL_GOLDENS === "all";

/** Parameters that are drawn, hashed and loaded in some tenths of a second. */
const MOST_PARAMETERS = 3e7;

/** The goldens that every test run has time for: all long records, and the short ones of models that are not large. */
export async function lightGoldenIds(): Promise<readonly string[]> {
  const ids = await modelGoldenIds();
  const taken = await Promise.all(ids.map(async (id) => (await modelGolden(id)).tensors !== undefined || isLight(id)));
  return ids.filter((_, i) => taken[i]);
}

/** Those that this run holds. */
export function heldGoldenIds(): Promise<readonly string[]> {
  return everyGolden ? modelGoldenIds() : lightGoldenIds();
}

/** Their models. */
export async function heldModels(): Promise<readonly ModelName[]> {
  return [...new Set((await heldGoldenIds()).map(modelName))];
}

function isLight(id: string): boolean {
  return summarize(resnet(specOf(modelName(id)))).parameters <= MOST_PARAMETERS;
}
