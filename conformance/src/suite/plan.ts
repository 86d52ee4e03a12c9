import { type ModelName, modelNameOf, modelNames } from "@residual/core";
import { levels } from "../report/types.ts";
import { modelGoldenIds, modelName } from "./goldens.ts";
import { behaviourTasks } from "./levels/behaviour.ts";
import { imageTasks } from "./levels/images.ts";
import { modelTasks } from "./levels/models.ts";
import { nodeTasks } from "./levels/nodes.ts";
import { opTasks } from "./levels/ops.ts";
import type { ConformOptions } from "./options.ts";
import { nothing, type Task, titleOf } from "./task.ts";

/** One of each kind of block, stem, shortcut and padding. */
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
 * Models without recorded answers whose blocks, stems, shortcuts or strides no recorded model has. The full level holds
 * their nodes against the reference.
 */
const unrecordedKinds: readonly ModelName[] = [
  "resnet10t",
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

/** Side of the images of level nodes, in pixels: deep enough for every stage to have a few. */
const QUICK_SIDE = 64;

/** The sections that the options ask for, in the order of the levels. */
export async function plan(options: ConformOptions): Promise<readonly Task[]> {
  const { level = "quick", only = levels, without = [], images = [] } = options;
  const full = level === "full";
  const named = options.models?.map((name) => modelNameOf(name) ?? name);
  const models = named ?? (full ? await fullModels() : quickModels);
  const tasks = [
    ...opTasks(level),
    ...nodeTasks(models, full ? Infinity : QUICK_SIDE),
    ...modelTasks(await goldensOf(models, full)),
    ...(await withoutGoldens(models)),
    ...imageTasks(images.filter(({ model }) => !options.models || models.includes(model))),
    ...behaviourTasks,
  ];
  return tasks.filter((task) => only.includes(task.level) && !without.some((title) => isTitled(task, title)));
}

function isTitled({ level, name, variant }: Task, title: string): boolean {
  return title === titleOf({ level, name }) || (variant !== undefined && title === titleOf({ level, name, variant }));
}

/** The models that PyTorch's answers are recorded of, and those of other kinds. */
async function fullModels(): Promise<readonly ModelName[]> {
  const taken = new Set([...(await modelGoldenIds()).map(modelName), ...unrecordedKinds]);
  return modelNames.filter((name) => taken.has(name));
}

/** What is recorded of these models; of several sizes the smallest, unless all are asked for. */
async function goldensOf(models: readonly ModelName[], full: boolean): Promise<readonly string[]> {
  const ids = await modelGoldenIds();
  return models.flatMap((model) => {
    const recorded = ids.filter((id) => modelName(id) === model);
    return full ? recorded : recorded.toSorted((a, b) => sizeOf(a) - sizeOf(b)).slice(0, 1);
  });
}

/** Models without recorded answers: a report names them, so that nobody takes them for checked. */
async function withoutGoldens(models: readonly ModelName[]): Promise<readonly Task[]> {
  const recorded = new Set((await modelGoldenIds()).map(modelName));
  const skipped = "no answers of PyTorch are recorded for this model; level nodes holds it against the reference";
  return models
    .filter((model) => !recorded.has(model))
    .map((model) => ({ level: "models", name: model, skipped, run: nothing }));
}

/** Numbers of an id's input: `resnet18_1x3x97x131`. */
function sizeOf(id: string): number {
  const shape = id.slice(id.lastIndexOf("_") + 1);
  return shape.split("x").reduce((product, size) => product * Number(size), 1);
}
