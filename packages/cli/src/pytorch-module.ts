import {
  fixtureInput,
  type ResNetSpec,
  reference,
  select,
  type Tensor,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { checkPlace } from "@residual/kit/files";
import { bindModel, type Prepared } from "@residual/pipeline";
import { pyTorchModule, type RecordedAnswer, weightsBeside, writePyTorchModule } from "@residual/weights";
import { UsageError } from "./errors.ts";
import { isSameFile } from "./out-path.ts";

/** The sides of the image whose answer is recorded: odd, and no two axes alike, as in PyTorch's recorded answers. */
const SIDES = [45, 59] as const;
/** The side for networks that give features, which are many numbers. */
const SIDE_OF_FEATURES = 16;

/**
 * Checks that both files of a PyTorch module can be written. Throws FormatError; UsageError if the weights to be read
 * would be overwritten.
 */
export async function checkModulePlace(path: string, from: string): Promise<void> {
  const weights = weightsBeside(path);
  if (isSameFile(from, weights))
    throw new UsageError(
      `${weights} is the file to be read, and ${path} would have its weights there; give another path`,
    );
  await checkPlace(path);
  await checkPlace(weights);
}

/**
 * Writes a model as a PyTorch module with its weights beside it. Both hold the reference's answer, so that the module
 * can be checked where it runs. Throws UnsupportedError for a model that is no residual network.
 */
export async function writeModule(
  path: string,
  prepared: Prepared,
  metadata: Readonly<Record<string, string>>,
  work: WorkOptions,
): Promise<void> {
  const { graph, preprocessing, activation, spec } = prepared;
  const isOfPictures = activation === undefined && (spec.inputChannels ?? 3) === 3;
  const options = { ...work, metadata, preprocessing: isOfPictures ? preprocessing : undefined };
  pyTorchModule(graph); // refused before the answer is computed
  const recorded = await answerOf(prepared, work);
  await writePyTorchModule(path, graph, { ...options, recorded });
}

/** The reference's answer for a small image. */
async function answerOf(prepared: Prepared, work: WorkOptions): Promise<RecordedAnswer> {
  const name = "logits" in prepared.graph.outputs ? "logits" : "output";
  const shape = shapeFor(prepared.spec);
  const { graph } = await bindModel(prepared, shape);
  await using executable = await reference.compile(select(graph, [name]), work);
  const answers: Readonly<Record<string, Tensor<"float64"> | undefined>> = await executable.run(
    { image: fixtureInput("v1", shape) },
    work,
  );
  const values = Array.from(answers[name]!.data);
  if (values.every(Number.isFinite)) return { shape, output: name, values };
  throw new UnsupportedError(
    `${prepared.model} with these weights gives ${name} that are not finite; nothing can be compared`,
  );
}

/** A small image; smaller still if the network gives features, which are many. */
function shapeFor({ size = 224, inputChannels = 3, classes = 1000 }: ResNetSpec): readonly [1, number, number, number] {
  const [height, width] = classes === 0 ? [SIDE_OF_FEATURES, SIDE_OF_FEATURES] : SIDES;
  return [1, inputChannels, Math.min(height, size), Math.min(width, size)];
}
