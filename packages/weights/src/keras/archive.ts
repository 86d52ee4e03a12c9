import { FormatError, UnsupportedError } from "@residual/core";
import { TensorsOfHdf5 } from "../hdf5/tensors.ts";
import type { FormatReader } from "../layout.ts";
import { UnpackedBytes } from "../unpacked-bytes.ts";
import { ZipArchive } from "../zip-archive.ts";
import type { Refuse } from "../zip-directory.ts";
import { datasetsIn, type FoundDataset, kerasMetadata, notesOn, openH5 } from "./h5.ts";
import { layersOf, namesOf } from "./layers.ts";

/** The longest JSON that is read, in bytes. The JSON of ResNet-152 has 0.3 MB. */
const LONGEST_JSON = 8 << 20;

/**
 * The layout of a `.keras` file: a zip of `config.json`, `metadata.json` and `model.weights.h5`. The configuration has
 * the layers' names, so tensors are called `<layer>/<variable>`, as in `.h5`. The metadata are Keras' version and the
 * configuration.
 *
 * Throws FormatError for a damaged file, UnsupportedError for content that Keras does not write.
 */
export const kerasLayout: FormatReader = async (file) => {
  const refuse: Refuse = (problem) => {
    throw new FormatError(`${file.name}: ${problem}; the .keras file is damaged: download or save it again`);
  };
  const archive = await ZipArchive.open(file, refuse);
  const unpacked = new UnpackedBytes(file);
  const members = new Map(archive.members.map((member) => [member.name, member]));
  if (members.size < archive.members.length) refuse("two members of its zip have one name");
  const open = async (name: string) => {
    const member = members.get(name);
    return member && archive.open(member, unpacked);
  };
  const json = async (name: string): Promise<{ readonly text: string; readonly value: unknown }> => {
    const member = (await open(name)) ?? refuse(`its zip lacks ${name}`);
    if (member.size > LONGEST_JSON) refuse(`its ${name} has ${member.size} bytes, expected at most ${LONGEST_JSON}`);
    const text = new TextDecoder().decode(await member.read(0, member.size));
    try {
      return { text, value: JSON.parse(text) };
    } catch (cause) {
      return refuse(`its ${name} is not JSON (${(cause as Error).message})`);
    }
  };
  const config = await json("config.json");
  const metadata = await json("metadata.json");
  const weights = await open("model.weights.h5");
  if (!weights)
    throw new UnsupportedError(
      `${file.name}: it has no model.weights.h5, expected weights in one HDF5 file; save them by model.save_weights`,
    );
  const { hdf5, root, refuse: refuseH5 } = await openH5(weights);
  const datasets: FoundDataset[] = [];
  for await (const dataset of datasetsIn(root, refuseH5)) datasets.push(dataset);
  const tensors = new TensorsOfHdf5(hdf5);
  const named = namesOf(
    datasets.map(({ path }) => path),
    layersOf(config.value),
  );
  for (const { name, index } of named) await tensors.add(name, datasets[index]!.object);
  return tensors.layout(kerasMetadata(versionIn(metadata.value), config.text), await notesOn(root));
};

function versionIn(metadata: unknown): string | undefined {
  const version = (metadata as { readonly keras_version?: unknown } | null)?.keras_version;
  return typeof version === "string" ? version : undefined;
}
