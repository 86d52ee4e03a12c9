import { readFileSync } from "node:fs";
import { type Damage, damageBytes } from "./damage.ts";
import { pick } from "./random.ts";
import { zipOf } from "./zip.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../keras/fixtures/${name}`, import.meta.url)));

const damages = ["tf-weights.h5", "keras3.weights.h5", "storage.h5", "newest.h5", "split.h5"].map((name) =>
  damageBytes(fixture(name)),
);

/** Damages HDF5 files: the legacy format, Keras 3's, chunks with filters, groups as links. */
export const damageHdf5: Damage = (random) => pick(random, damages)(random);

const config = JSON.stringify({
  config: {
    layers: [
      { class_name: "Conv2D", config: { name: "conv", use_bias: true } },
      { class_name: "Functional", config: { name: "base", layers: [{ class_name: "Dense", config: { name: "d" } }] } },
    ],
  },
});
const members = (text: string, isDeflated: boolean) =>
  zipOf([
    { name: "metadata.json", bytes: new TextEncoder().encode('{"keras_version":"3.0.0"}') },
    { name: "config.json", bytes: new TextEncoder().encode(text), isDeflated },
    { name: "model.weights.h5", bytes: fixture("newest.h5"), isDeflated },
  ]);
const damagedArchives = [true, false].map((isDeflated) => damageBytes(members(config, isDeflated)));

const pieces = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "1",
  '"Conv2D"',
  '"layers"',
  '"config"',
  '"class_name"',
  '"__proto__"',
  '"a/b"',
  '""',
  "[".repeat(9999),
];

/** Damages files of Keras 3: the zip, or the configuration in it. */
export const damageKeras: Damage = (random) => {
  if (random(2)) return pick(random, damagedArchives)(random);
  const places = [...config.matchAll(/"[^"]*"|[[\]{},:]|true/g)];
  const { index, 0: found } = pick(random, places);
  return members(config.slice(0, index) + pick(random, pieces) + config.slice(index + found.length), random(2) === 0);
};
