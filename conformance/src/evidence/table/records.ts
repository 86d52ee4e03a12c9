import { readdirSync, readFileSync } from "node:fs";
import { type ModelName, modelNameOf, nodesOf, resnet } from "@residual/core";
import { specOf } from "../../suite/fixture-model.ts";
import { type ModelGolden, modelGolden, modelGoldenIds, modelName } from "../../suite/goldens.ts";
import { nets, trunk } from "../golden/nets.ts";

/** Facts about a model from outside this project's code. */
export interface Evidence {
  readonly model: ModelName;
  /** The author of the PyTorch code that recorded the answers. */
  readonly madeBy: string;
  /** "listed" if every parameter and layer is listed, "digest" if only a digest of the lists is recorded. */
  readonly structure: "listed" | "digest" | undefined;
  readonly answers: readonly ModelGolden[];
  /** Input shapes of recorded training steps. */
  readonly gradients: readonly string[];
  /** Pictures with recorded answers by trained weights. */
  readonly pictures: string | undefined;
  /** The ops of the network, and those among them that other people's vectors test. */
  readonly ops: readonly string[];
  readonly tested: readonly string[];
}

const root = new URL("../../../../", import.meta.url);
const golden = new URL("conformance/golden/", root);

const authors: { readonly [family: string]: string } = {
  torchvision: "torchvision",
  timm: "timm",
  keras: "own modules, equal to Keras",
};

/** The evidence for each model, in the given order. */
export async function evidenceOf(models: readonly ModelName[]): Promise<readonly Evidence[]> {
  const records = await Promise.all((await modelGoldenIds()).map((id) => modelGolden(id)));
  const structures = structureRecords();
  const runs = readdirSync(new URL("train/", golden)).map((file) => file.replace(/^train_|\.json$/g, ""));
  const vectors = opsOfVectors();
  return models.map((model) => {
    const structure = structures.find(({ id }) => modelName(id) === model);
    const answers = records.filter(({ id }) => modelName(id) === model);
    const ops = [...new Set(nodesOf(resnet(specOf(model))).map(({ op }) => op))];
    return {
      model,
      madeBy: authors[structure?.model.family ?? ""] ?? "own modules",
      structure: structure && (structure.layers ? "listed" : "digest"),
      answers,
      gradients: runs.filter((id) => modelName(id) === model).map((id) => id.slice(id.lastIndexOf("_") + 1)),
      pictures: picturesOf(model),
      ops,
      tested: ops.filter((op) => vectors.has(op)),
    };
  });
}

interface StructureRecord {
  readonly id: string;
  readonly model: { readonly family: string };
  readonly layers?: readonly unknown[];
}

function structureRecords(): readonly StructureRecord[] {
  const folder = new URL("structure/", golden);
  const files = readdirSync(folder).filter((file) => file !== "index.json");
  return files.map((file) => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as StructureRecord);
}

function picturesOf(model: ModelName): string | undefined {
  if (model === trunk.model) return "ImageNet, features of crops";
  return nets.some((net) => modelNameOf(net.model) === model) ? "CIFAR-10, 2,000" : undefined;
}

/** The ops in the column "as" of docs/outside-vectors.md. The test of that page keeps the page current. */
function opsOfVectors(): ReadonlySet<string> {
  const page = readFileSync(new URL("docs/outside-vectors.md", root), "utf8");
  const rows = [...page.matchAll(/^\| [^|]+ \| \d+ \| [1-9]\d* \| ([^|]*) \|/gm)];
  return new Set(rows.flatMap(([, as]) => as!.split(/[,;] ?/)));
}
