import { UnsupportedError, WeightsError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { nearestTo } from "@residual/kit/names";
import { knownWeights } from "../known.ts";
import type { KnownWeights } from "./known-weights.ts";

/** A repository of the Hugging Face hub. */
export interface HubRepository {
  /** The owner, such as `microsoft`. */
  readonly owner: string;
  /** The name, such as `resnet-50`. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** The weights that a name refers to. */
export type Named = { readonly known: KnownWeights } | { readonly repository: HubRepository };

/**
 * Resolves a name: `torchvision/resnet50.v2` for known weights; `resnet50` for the most accurate weights of a model,
 * torchvision's if it has any; `hf:owner/name` and `hf:owner/name@revision` for a repository of the hub. Undefined for
 * other text.
 *
 * Throws WeightsError for a malformed `hf:` name, UnsupportedError for known weights that Residual cannot use.
 */
export async function namedAs(text: string): Promise<Named | undefined> {
  if (text.startsWith("hf:")) return { repository: repositoryOf(text) };
  const all = await knownWeights();
  const known = all.find(({ name }) => name === text) ?? (await bestWeightsFor(text));
  if (known?.refused === undefined) return known && { known };
  const others = all.filter(({ model, refused }) => model === known.model && refused === undefined);
  const wayOut = others.length > 0 ? `take ${others[0]!.name}` : "residual weights list shows those that can be used";
  throw new UnsupportedError(`${known.name}: weights of ${known.model}, but ${known.refused}; ${wayOut}`);
}

function repositoryOf(text: string): HubRepository {
  const [, owner, name, revision = "main"] = /^hf:([\w.-]+)\/([\w.-]+?)(?:@([\w./-]+))?$/.exec(text) ?? [];
  const isPath = [owner, name, ...revision.split("/")].every((part) => part !== undefined && !/^\.*$/.test(part));
  if (isPath) return { owner: owner!, name: name!, revision };
  throw new WeightsError(
    `${shown(text)}: expected hf:owner/name or hf:owner/name@revision, as the hub's address has them`,
  );
}

/** The most accurate weights of a model. Torchvision's take precedence over others. */
export async function bestWeightsFor(model: string): Promise<KnownWeights | undefined> {
  const fitting = (await knownWeights()).filter((known) => known.model === model && known.refused === undefined);
  const torchvision = fitting.filter(({ name }) => name.startsWith("torchvision/"));
  return (torchvision.length > 0 ? torchvision : fitting)
    .toSorted((a, b) => (b.top1 ?? 0) - (a.top1 ?? 0)) // a stable sort: the first of several equals wins
    .at(0);
}

/** The nearest name of known weights or of a model; undefined if none is near. */
export async function nearestName(text: string): Promise<string | undefined> {
  const names = new Set((await knownWeights()).flatMap(({ name, model }) => [name, model]));
  return nearestTo(text, [...names]);
}
