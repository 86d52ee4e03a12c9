import { tensorOf } from "@residual/core";
import { identify, knownPreprocessing, preprocessingOf } from "@residual/pipeline";
import { crop, decodeImage, normalize } from "@residual/vision";
import { writeSafetensors } from "@residual/weights";
import type { Command } from "commander";
import {
  type Context,
  command,
  type PreprocessingOptions,
  preprocessingChanges,
  withPreprocessing,
} from "../command.ts";
import { specNamed } from "../names.ts";
import { checkSafetensorsPath } from "../out-path.ts";
import { pictureNamed } from "../pictures/stdin.ts";
import { type Output, say } from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly model?: string;
  readonly out: string;
}

/** Writes a picture as its model reads it: `image`, the input, and `pixels`, the bytes of the crop. */
export function preprocessCommand({ signal }: Context): Command {
  const preprocess = command("preprocess", "write a picture as the model's input", [
    "preprocess cat.png --out cat.safetensors",
    "preprocess cat.png --model resnet50 --out cat.safetensors",
  ])
    .argument("<image>", "a file, a URL, or - for a picture on stdin")
    .option("--model <name>", "whose preprocessing to take; see residual models")
    .requiredOption("--out <file>", "a .safetensors file for the tensors image and pixels");
  return withPreprocessing(preprocess).action(async (source: string, options: Options) => {
    const { model, maxPixels } = options;
    const changes = preprocessingChanges(options);
    const known =
      model === undefined ? undefined : { model, preprocessing: preprocessingOf(specNamed(model), undefined, changes) };
    await checkSafetensorsPath(options.out);
    const preprocessing = knownPreprocessing(known ?? (await identify({ preprocessing: changes, signal })));
    const pixels = crop(
      await decodeImage(pictureNamed(source), { signal, upright: preprocessing.upright, maxPixels }),
      preprocessing,
    );
    const image = normalize(pixels, preprocessing);
    const tensors = { image, pixels: tensorOf("uint8", [pixels.height, pixels.width, 3], pixels.data) };
    await writeSafetensors(options.out, tensors, { preprocessing: JSON.stringify(preprocessing) }, { signal });
    const report = { out: options.out, image: image.shape, pixels: tensors.pixels.shape, preprocessing };
    say(options, report, () => [
      `${options.out}: image [${image.shape.join(", ")}], pixels [${tensors.pixels.shape.join(", ")}]`,
    ]);
  });
}
