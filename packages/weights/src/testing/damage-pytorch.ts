import { readFileSync } from "node:fs";
import { type Damage, damageBytes } from "./damage.ts";
import { pick } from "./random.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../pytorch/fixtures/${name}`, import.meta.url)));

const damagesOf = (names: readonly string[]): Damage => {
  const damages = names.map((name) => damageBytes(fixture(name)));
  return (random) => pick(random, damages)(random);
};

/** Damages files of torch.save: a checkpoint, and tensors that share a storage. */
export const damagePyTorch: Damage = damagesOf(["checkpoint.pth", "views.pth"]);

/** Damages the same files in the format before PyTorch 1.6. */
export const damageLegacy: Damage = damagesOf(["checkpoint-legacy.pth", "views-legacy.pth"]);

/** Damages checkpoints with the state of an optimizer. */
export const damageCheckpoint: Damage = damagesOf(["checkpoints/sgd.pth", "checkpoints/adamw-split.pth"]);
