import { type ModelName, modelNameOf, modelNames } from "@residual/core";
import { levels } from "../report/types.ts";
import { folderOf, modelGoldenIds, modelName } from "./goldens.ts";
import { behaviourTasks } from "./levels/behaviour.ts";
import { imageTasks } from "./levels/images.ts";
import { modelTasks } from "./levels/models.ts";
import { nodeTasks } from "./levels/nodes.ts";
import { opTasks } from "./levels/ops.ts";
import { trainTasks } from "./levels/train.ts";
import type { ConformOptions } from "./options.ts";
import { nothing, type Task, titleOf } from "./task.ts";

/** One model of each kind of block, stem, shortcut and padding. */
export const quickModels: readonly ModelName[] = [
  "resnet18",
  "resnet50",
  "resnext50_32x4d",
  "seresnext50_32x4d",
  "resnet10t",
  "cifar_resnet20",
  "cifar_preact20_proj",
  "keras_tutorial_resnet",
  "paddle_unit_s2",
];

/**
 * The models whose nodes level full compares with the reference: one of each kind, the deep models and the wide models.
 * Nodes of the other models differ only in size, and level ops checks all their layers.
 */
const nodeModels: readonly ModelName[] = [
  ...quickModels,
  "resnet34",
  "resnet101",
  "resnet152",
  "resnet200",
  "resnext101_32x8d",
  "resnext101_64x4d",
  "wide_resnet50_2",
  "wide_resnet101_2",
  "resnet50d",
  "cifar_resnet56",
  "cifar_resnet110",
  "cifar_resnet20_padend",
  "cifar_resnet56_padend",
  "cifar_resnet110_padend",
  "cifar_preact20",
  "cifar_preact164",
  "cifar_preact164_s3x3",
  "pytorch_tutorial_net",
  "paddle_unit_s1_id",
  "paddle_unit_s1_proj",
  "paddle_unit_sequential",
  "pytorch_unit_s1_id",
  "pytorch_unit_s1_proj",
  "pytorch_unit_s2",
  "resnet50_v1",
  "resnet50c",
  "resnet50s",
  "test_resnet",
  "mlperf_tiny_resnet8",
  "cifar10_resnet20",
  "resnet18v2",
  "resnet50v2",
  "resnet50v2_trunk",
  "keras_resnet50",
  "keras_resnet50v2",
];

/** Models whose weights take 1.9 and 3.3 GB. Level full runs these models only if they are named. */
const largeModels: readonly ModelName[] = ["resnext101_32x32d", "resnext101_32x48d"];

/** Side of the images of level nodes, in pixels. Every stage has a few pixels at this side. */
const QUICK_SIDE = 64;

/** The sections that the options ask for, in the order of the levels. */
export async function plan(options: ConformOptions): Promise<readonly Task[]> {
  const { level = "quick", only = levels, without = [], images = [] } = options;
  const full = level === "full";
  const named = options.models?.map((name) => modelNameOf(name) ?? name);
  const models = named ?? (full ? modelNames.filter((name) => !largeModels.includes(name)) : quickModels);
  const tasks = [
    ...opTasks(level),
    ...nodeTasks(named ?? (full ? nodeModels : quickModels), full ? Infinity : QUICK_SIDE),
    ...modelTasks(await goldensOf(models, full, folderOf(options))),
    ...(full && !named ? largeModels.map(leftOut) : []),
    ...imageTasks(images.filter(({ model }) => !options.models || models.includes(model))),
    ...behaviourTasks,
    ...trainTasks(level).map((task) => ({ ...task, isForTrainers: options.only === undefined })),
  ];
  return tasks.filter((task) => only.includes(task.level) && !without.some((title) => isTitled(task, title)));
}

function isTitled({ level, name, variant }: Task, title: string): boolean {
  return (
    title === level ||
    title === titleOf({ level, name }) ||
    (variant !== undefined && title === titleOf({ level, name, variant }))
  );
}

/** The ids of the models' recorded answers. Of several sizes only the smallest is taken, unless `full` is set. */
async function goldensOf(models: readonly ModelName[], full: boolean, folder: string): Promise<readonly string[]> {
  const ids = await modelGoldenIds(folder);
  return models.flatMap((model) => {
    const recorded = ids.filter((id) => modelName(id) === model);
    return full ? recorded : recorded.toSorted((a, b) => sizeOf(a) - sizeOf(b)).slice(0, 1);
  });
}

/** Reports a model that was not run, so that nobody takes it for checked. */
function leftOut(name: ModelName): Task {
  const skipped = `its weights take more than a gigabyte; it is run where it is named: --models ${name}`;
  return { level: "models", name, skipped, run: nothing };
}

/** The element count of an id's input: `resnet18_1x3x97x131`. */
function sizeOf(id: string): number {
  const shape = id.slice(id.lastIndexOf("_") + 1);
  return shape.split("x").reduce((product, size) => product * Number(size), 1);
}
