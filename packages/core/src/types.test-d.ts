/** What the compiler must know, checked by `tsc`: each line under an expect-error has to be refused. */
import {
  type Backend,
  type BackendParts,
  backendOf,
  bind,
  differentiate,
  type Executable,
  fixtureWeights,
  type Graph,
  type Lowering,
  type ModelAlias,
  type ModelName,
  ops,
  optimize,
  type ResNetSpec,
  reference,
  resnet,
  select,
  sgd,
  tensor,
  trainable,
  trainingStep,
  variants,
} from "./index.ts";

const image = tensor([1, 3, 224, 224], []);
const model = await reference.compile(optimize(resnet(variants.resnet50)));

const { logits } = await model.run({ image });
logits.shape satisfies readonly number[];
// @ts-expect-error: the input is called image
await model.run({ imgae: image });
// @ts-expect-error: so it must be there
await model.run({});
// @ts-expect-error: the output is called logits
(await model.run({ image })).logit;

const features = await reference.compile(select(resnet(variants.resnet50), ["layer3", "layer4.2.relu"]));
(await features.run({ image })).layer3 satisfies { shape: readonly number[] };
// @ts-expect-error: logits were not selected
(await features.run({ image })).logits;

// A backend's answers are of its dtype, with no cast.
logits.data satisfies Float64Array;
(await model.read(["mean"])).mean!.data satisfies Float64Array;
declare const parts: Omit<BackendParts<"float32">, "load">;
const single = backendOf({
  ...parts,
  load: async () => ({ run: async () => ({ y: tensor([1], [1]) }), dispose: async () => {} }),
});
single satisfies Backend<"float32">;
const answer = await (await single.compile(resnet(variants.resnet50))).run({ image });
answer.logits.data satisfies Float32Array;
// @ts-expect-error: the reference answers in float64
logits.data satisfies Float32Array;
// @ts-expect-error: so its executables are not float32's
model satisfies Executable<"image", "logits", "float32">;
[reference, single] satisfies readonly Backend[];

// Stages and blocks are known by name, through bind and passes.
const net = optimize(bind(resnet(variants.resnet50), fixtureWeights(resnet(variants.resnet50), "v1")));
select(net, ["image", "stem", "layer1", "layer2", "layer3", "layer4", "avgpool", "flatten", "fc", "logits", "cam"]);
select(net, ["conv1", "bn1", "relu", "maxpool", "layer4.2", "layer4.2.relu", "layer1.0.downsample.0", "conv1.weight"]);
// @ts-expect-error: layer3
select(net, ["layr3"]);
// @ts-expect-error: there are four stages
select(net, ["logits", "layer5"]);
// @ts-expect-error: nor is a block of a fifth one there
select(net, ["layer5.0.relu"]);
// @ts-expect-error: there is no softmax
select(net, ["probabilities"]);
// @ts-expect-error: what was selected by name is misspelt after it, too
select(select(net, ["layer3"]), ["layr3"]);
select(resnet(variants.cifar_preact164), ["conv1", "layer3", "bn", "final_relu", "layer2.17.add"]);
// @ts-expect-error: it has three stages
select(resnet(variants.cifar_preact164), ["layer4"]);
select(resnet(variants.resnet50d), ["conv1.0", "conv1.6", "layer1.0.downsample.0"]);
select(resnet(variants.keras_tutorial_resnet), ["logits", "probabilities"]);
select(resnet(variants.pytorch_tutorial_net), ["res1", "res9.conv2", "conv2", "relu3", "layer2"]);
select(resnet(variants.keras_resnet50v2), ["conv1", "pad", "maxpool", "layer1.2.subsample", "bn", "probabilities"]);
// @ts-expect-error no zeros are padded here
select(resnet(variants.keras_resnet50), ["pad"]);
select(resnet(variants.paddle_unit), ["output", "layer1", "block.conv1", "block.shortcut"]);
// @ts-expect-error: a unit has no head
select(resnet(variants.paddle_unit), ["logits"]);
// @ts-expect-error: and no class activation maps
select(resnet(variants.paddle_unit), ["cam"]);
select(resnet({ ...variants.resnet18, depths: [1, 1] }), ["layer2"]);
// @ts-expect-error: it has two stages
select(resnet({ ...variants.resnet18, depths: [1, 1] }), ["layer3"]);
// Where row, graph or name is not known to the compiler, any name will do.
declare const spec: ResNetSpec;
declare const someGraph: Graph<"image", "logits">;
select(resnet(spec), ["layer7"]);
select(resnet({ block: "basic", depths: spec.depths }), ["layer7"]);
select(someGraph, ["anything"]);
declare const names: readonly string[];
select(net, names) satisfies Graph<"image">;
net satisfies Graph<"image", "logits">;

"seed004_net" satisfies ModelAlias;
"resnet50" satisfies ModelName;
// @ts-expect-error: no such model
"resnet5000" satisfies ModelName | ModelAlias;

resnet(variants.keras_tutorial_resnet) satisfies Graph<"image", "logits" | "probabilities">;
resnet(variants.paddle_unit) satisfies Graph<"image", "output">;
resnet({ ...variants.resnet18, classes: 10 }) satisfies Graph<"image", "logits">;
// @ts-expect-error: no such model
variants.resnet51;
// @ts-expect-error: a bottleneck has no such option
resnet({ block: "bottleneck", depths: [1], cardinality: 32 });

// Gradients are outputs by name, and a step's inputs are known.
const trained = trainable(bind(resnet(variants.resnet18), fixtureWeights(resnet(variants.resnet18), "v1")));
const slopes = differentiate(trained, { of: "logits", by: ["layer4", "conv1.weight", "image"], seed: "class" });
slopes satisfies Graph<"image" | "class", "logits" | "layer4.gradient" | "conv1.weight.gradient" | "image.gradient">;
// @ts-expect-error: there are four stages
differentiate(trained, { of: "logits", by: ["layer5"], seed: "class" });
differentiate(someGraph, { of: "anything", by: ["anything"] });
const step = trainingStep(trained, { loss: "crossEntropy", optimizer: sgd() });
step satisfies Graph<"image" | "target" | "learningRate", "loss" | "logits">;
trainingStep(trained, { loss: "crossEntropy", optimizer: sgd(), accumulate: 2 }).inputs.apply;
// @ts-expect-error: apply is there for accumulation
step.inputs.apply;
// @ts-expect-error: no such loss
trainingStep(trained, { loss: "hinge", optimizer: sgd() });

const x = resnet(variants.resnet50).inputs.image;
// @ts-expect-error: a convolution needs its weight
ops.conv2d({ x });
// @ts-expect-error: strides is no option
ops.maxPool2d({ x }, { window: 3, strides: 2 });

// @ts-expect-error: a lowering names every op
({ relu: (_, { x }) => x }) satisfies Lowering<number>;
