import { modelNameOf, type Preprocessing } from "@residual/core";
import type { KnownWeights } from "./known-weights.ts";
import { type Group, groups, type Row } from "./table.ts";

const colours = {
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  halves: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
  cifar100: { mean: [0.507, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2761] },
} as const;

/** The rows of the table, each with the possible names of its file. */
const rows = groups.flatMap((group) =>
  group.rows.map((row) => ({ known: knownOf(group, row), files: filesOf(group, row) })),
);

/** The weights of the table, in its order. */
export const published: readonly KnownWeights[] = rows.map(({ known }) => known);

/** Reversed, so that the first row of a file wins: timm has copies of files that others published first. */
const byFile: ReadonlyMap<string, KnownWeights> = new Map(
  rows.toReversed().flatMap(({ known, files }) => files.map((file) => [file, known] as const)),
);

/** Names without extension of a row's files and of its folders on the hub. */
function filesOf({ owner }: Group, [name, file]: Row): readonly string[] {
  const isTimm = owner === "timm"; // timm's names include the training recipe
  return [`${owner}/${name}`, ...(isTimm ? [name] : []), ...(file === "" ? [] : [file.replace(/\.[a-z]\w+$/, "")])];
}

function knownOf(group: Group, [name, file, preprocessing, top1, megabytes, more = {}]: Row): KnownWeights {
  const url = group.at + (group.file === undefined ? file : `${name}/resolve/main/${group.file}`);
  const model = group.model(name);
  const refused = more.refused ?? group.refused ?? missingModel(model);
  return {
    name: `${group.owner}/${name}`,
    model,
    url,
    bytes: more.bytes,
    bytesAbout: more.bytes ?? (megabytes === undefined ? undefined : Math.round(megabytes * 1e6)),
    sha256: more.sha256 ?? /[-_]([0-9a-f]{8})\.\w+$/.exec(url)?.[1],
    md5: more.md5,
    preprocessing: preprocessing === undefined ? undefined : preprocessingOf(preprocessing),
    top1,
    license: more.license ?? group.license,
    refused,
  };
}

function missingModel(model: string): string | undefined {
  return modelNameOf(model) === undefined ? "their model is not here yet" : undefined;
}

function preprocessingOf(text: string): Preprocessing {
  const [size, interpolation, colour = "imagenet"] = text.split(" ");
  const [resize, crop] = size!.split("/").map(Number);
  return {
    resize: resize!,
    crop: crop!,
    interpolation: interpolation as Preprocessing["interpolation"],
    scale: 255,
    ...colours[colour as keyof typeof colours],
  };
}

/**
 * Finds published weights by the name of a file. The result may be wrong, because any file can have the name. Hubs call
 * their files `model` or `pytorch_model`; such a file is found by the names of its folders.
 */
export function publishedAs(path: string): KnownWeights | undefined {
  const [file = "", ...folders] = path.split(/[\\/]/).toReversed();
  const stem = file.replace(/\.[^.]*$/, "");
  if (!/^(pytorch_)?model(\.(safetensors|bin)\.index)?$/.test(stem)) return byFile.get(stem);
  const names = folders.flatMap((folder, i) => [
    folder.replace(/^models--/, "").replace("--", "/"), // the form in huggingface_hub's cache
    `${folders[i + 1]}/${folder}`,
  ]);
  return names.map((name) => byFile.get(name)).find((known) => known !== undefined);
}
