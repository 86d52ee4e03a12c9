/**
 * 100,000 seeded damaged files for each reader of weights: flipped bits, hostile numbers in fields, parts moved or cut
 * off. Each is read, or refused by a typed error, within a second of the processor's time. The tensors of what is read
 * have the sizes that they say, and take at most twice the file and 16 MiB. Prints how many were what. Throws at
 * the first other one, with the file in the message.
 *
 *   node --conditions=@residual/source scripts/damaged-files.ts [COUNT] [READER…]
 *
 * The same for safetensors, with damage of its own, is a test: packages/weights/src/mutations.test.ts.
 */
import { type Damage, readDamaged } from "../packages/weights/src/testing/damage.ts";
import { damageHdf5, damageKeras } from "../packages/weights/src/testing/damage-hdf5.ts";
import { damageNpz } from "../packages/weights/src/testing/damage-npz.ts";
import { damageOnnx } from "../packages/weights/src/testing/damage-onnx.ts";
import { damageLegacy, damagePyTorch } from "../packages/weights/src/testing/damage-pytorch.ts";
import { damageTfjs, readTfjs } from "../packages/weights/src/testing/damage-tfjs.ts";

const [count = "100000", ...names] = process.argv.slice(2);
const readers: Readonly<Record<string, readonly [Damage, typeof readTfjs?]>> = {
  PyTorch: [damagePyTorch],
  "PyTorch before 1.6": [damageLegacy],
  NumPy: [damageNpz],
  HDF5: [damageHdf5],
  Keras: [damageKeras],
  ONNX: [damageOnnx],
  "TensorFlow.js": [damageTfjs, readTfjs],
};

console.log(
  "| damaged files | read | FormatError | UnsupportedError | WeightsError | seconds |\n| - | - | - | - | - | - |",
);
for (const [name, [damage, read]] of Object.entries(readers)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const start = performance.now();
  const found = await readDamaged(damage, Number(count), `all of ${name}`, read);
  const seconds = Math.round((performance.now() - start) / 1000);
  const { read: whole, FormatError, UnsupportedError, WeightsError } = found;
  console.log(`| ${[name, whole, FormatError, UnsupportedError, WeightsError, seconds].join(" | ")} |`);
}
