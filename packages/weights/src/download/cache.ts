import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WeightsError } from "@residual/core";
import { cacheFolder } from "@residual/kit/files";
import type { KnownWeights } from "../known/known-weights.ts";
import type { HubRepository, Named } from "../known/names.ts";

/** The folder of downloaded weights: `weights` in the user's cache folder. Throws WeightsError if the user has none. */
export function weightsFolder(): string {
  const folder = cacheFolder();
  if (folder !== undefined) return join(folder, "weights");
  throw new WeightsError(
    "there is no folder to keep downloaded weights in, since the user has no home; set XDG_CACHE_HOME to a folder",
  );
}

/** The place of a name's downloaded weights: a file; for a repository, a folder in the hub's layout. */
export function placeOf(named: Named): string {
  return "known" in named ? fileOf(named.known) : folderOf(named.repository);
}

function fileOf({ name, url }: KnownWeights): string {
  if (url.startsWith("file:")) return fileURLToPath(url); // shipped with the package
  return join(weightsFolder(), ...name.split("/"), basename(new URL(url).pathname));
}

function folderOf({ owner, name, revision }: HubRepository): string {
  return join(weightsFolder(), "hf", owner, name, encodeURIComponent(revision));
}
