/** What the compiler must know, checked by `tsc`: each line under an expect-error has to be refused. */
import { type Graph, type Lowering, ops, optimize, reference, resnet, select, tensor, variants } from "./index.ts";

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

resnet(variants.keras_tutorial_resnet) satisfies Graph<"image", "logits" | "probabilities">;
resnet(variants.paddle_unit) satisfies Graph<"image", "output">;
resnet({ ...variants.resnet18, classes: 10 }) satisfies Graph<"image", "logits">;
// @ts-expect-error: no such model
variants.resnet51;
// @ts-expect-error: a bottleneck has no such option
resnet({ block: "bottleneck", depths: [1], cardinality: 32 });

const x = resnet(variants.resnet50).inputs.image;
// @ts-expect-error: a convolution needs its weight
ops.conv2d({ x });
// @ts-expect-error: strides is no option
ops.maxPool2d({ x }, { window: 3, strides: 2 });

// @ts-expect-error: a lowering names every op
({ relu: (_, { x }) => x }) satisfies Lowering<number>;
