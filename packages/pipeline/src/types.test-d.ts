/** What the compiler must know, checked by `tsc`: each line under an expect-error has to be refused. */
import { select, type Tensor } from "@residual/core";
import { backendNamed, load } from "./index.ts";

const classifier = await load({ model: "resnet50", weights: "r50.safetensors" });
(await classifier.features("layer3", "cat.png")) satisfies Tensor<"float32">;
const { avgpool, "layer4.2": block } = await classifier.features(["avgpool", "layer4.2"], ["cat.png", "dog.jpg"]);
avgpool.data satisfies Float32Array;
block.data satisfies Float32Array;
// @ts-expect-error: the model has no such stage
await classifier.features("layr3", "cat.png");
// @ts-expect-error: four stages
await classifier.features(["layer5"], "cat.png");
// @ts-expect-error: layer1 was not asked for
(await classifier.features(["avgpool"], "cat.png")).layer1;

const { map, prediction } = await classifier.cam("cat.png", { class: "tabby" });
map.data satisfies Float32Array;
prediction.label satisfies string;
(await classifier.features("cam", "cat.png")) satisfies Tensor<"float32">;
// @ts-expect-error: no such option
await classifier.cam("cat.png", { klass: 3 });

select(classifier.graph, ["logits", "layer2"]);
// @ts-expect-error: the graph has no such stage
select(classifier.graph, ["layr2"]);
classifier.graph.outputs.logits satisfies object;

const { logits } = await classifier.executable.run({
  image: { dtype: "float32", shape: [], data: new Float32Array() },
});
logits.data satisfies Float32Array;

(await backendNamed("wasm", { threads: 2 })).name satisfies string;
// @ts-expect-error: no such backend
await backendNamed("wsam");

// @ts-expect-error: no such model
await load({ model: "resnet5000" });
// @ts-expect-error: no such option
await load({ bakend: "onnx" });
const options = { bakend: "onnx" };
// @ts-expect-error: nor by an object
await load(options);

const unknown = await load({ weights: "mine.safetensors" });
await unknown.features("whatever", "cat.png"); // its model is known when it runs

for await (const { picture, predictions, error } of classifier.classifyAll(["cat.png"])) {
  picture satisfies string;
  if (error) error.code satisfies string;
  else predictions[0]?.label satisfies string | undefined;
}
