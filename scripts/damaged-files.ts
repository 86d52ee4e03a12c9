/**
 * Reads damaged files of each format of weights, 100,000 of each: each is read or refused with a typed error, within a
 * second and without a large allocation. Exits with 1 at the first that is not, and prints it as base64. The tests of
 * @residual/weights read fewer of the same.
 *
 *   node --conditions=@residual/source scripts/damaged-files.ts [COUNT] [SEED]
 */
import { readDamaged } from "../packages/weights/src/testing/damage.ts";
import { damageHdf5, damageKeras } from "../packages/weights/src/testing/damage-hdf5.ts";
import { damageNpz } from "../packages/weights/src/testing/damage-npz.ts";
import { damageOnnx } from "../packages/weights/src/testing/damage-onnx.ts";
import { damageTfjs, readTfjs } from "../packages/weights/src/testing/damage-tfjs.ts";

const count = Number(process.argv[2] ?? 100_000);
const seed = process.argv[3] ?? "damaged";

for (const [format, damage, read] of [
  ["HDF5", damageHdf5],
  ["Keras", damageKeras],
  ["NumPy", damageNpz],
  ["ONNX", damageOnnx],
  ["TensorFlow.js", damageTfjs, readTfjs],
] as const) {
  const begun = performance.now();
  const counts = await readDamaged(damage, count, seed, read);
  console.log(format, counts, `${((performance.now() - begun) / 1000).toFixed(0)} s`);
}
