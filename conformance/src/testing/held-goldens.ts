import { resnet, summarize } from "@residual/core";
import { specOf } from "../suite/fixture-model.ts";
import { modelGolden, modelGoldenIds, modelName } from "../suite/goldens.ts";
import type { ConformOptions } from "../suite/options.ts";

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

/** What level models is asked for: the models of the light goldens, or all that level full has room for. */
export async function heldModels(): Promise<Pick<ConformOptions, "models">> {
  return everyGolden ? {} : { models: [...new Set((await lightGoldenIds()).map(modelName))] };
}

function isLight(id: string): boolean {
  return summarize(resnet(specOf(modelName(id)))).parameters <= MOST_PARAMETERS;
}
