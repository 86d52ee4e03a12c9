/** A network of your own: three members of the family that nobody has published, summarized and run. */
import { bind, fixtureInput, fixtureWeights, type ResNetSpec, reference, resnet, summarize } from "@residual/core";

const specs: { readonly [name: string]: ResNetSpec } = {
  resnet10: { block: "basic", depths: [1, 1, 1, 1], classes: 3, size: 64 },
  resnext26_16x8d: { block: "bottleneck", depths: [2, 2, 2, 2], groups: 16, widthPerGroup: 8, size: 32 },
  grey: { block: "basic", depths: [1, 1], inputChannels: 1, stem: "cifar", width: 16, classes: 10, size: 28 },
};
for (const [name, spec] of Object.entries(specs)) {
  const graph = resnet(spec, { name });
  const { parameters, macs, input } = summarize(graph);
  await using model = await reference.compile(bind(graph, fixtureWeights(graph, "v1"))); // or weights of your own
  const { logits } = await model.run({ image: fixtureInput("v1", [1, ...input.slice(1)] as number[]) });
  console.log(`${name}: ${parameters} parameters, ${macs} multiply-adds, logits ${logits.shape.join("×")}`);
}
