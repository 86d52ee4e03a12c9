import { check } from "../ir/errors.ts";
import { type Graph, valuesOf } from "../ir/graph.ts";
import { withTrailingAxes } from "../ir/source.ts";
import { type AnyNode, constant, named } from "../ir/value.ts";
import { conv2d } from "../ops/index.ts";
import { is, type Node } from "../ops/nodes.ts";

/** The name that selects the class activation maps. */
export const CAM = "cam";

/**
 * The class activation maps of a network that ends in global average pooling and one linear layer: the contribution of
 * each pixel of the last feature map f to each class.
 *
 *   cam[n, k, y, x] = Σ_c weight[k, c] · f[n, c, y, x],   [N, classes, H, W]
 *
 * The maps are a 1×1 convolution of f with the linear layer's weight, without its bias. Pooling is linear, so the mean
 * of class k's map plus its bias is the class's logit. Source: Zhou et al. 2016, Learning Deep Features for
 * Discriminative Localization, section 2.
 *
 * Throws ShapeError:
 * M1  `logits` are linear(flatten(globalAveragePool(f))).
 * M2  the linear layer's weight is bound: the map needs it in another shape, and an open parameter has one shape.
 */
export function classActivationMap(graph: Graph): AnyNode {
  const head = headOf(graph);
  const way = "a network has class activation maps where its logits are linear(flatten(globalAveragePool(features)))";
  check(head !== undefined, "cam.M1", `${graph.name} ends in another way; ${way}`);
  const { weight } = head.classifier.inputs;
  const isBound = weight.kind === "constant";
  check(isBound, "cam.M2", `${weight.name} of ${graph.name} is open; bind(graph, weights) first, then select`);
  const kernel = constant(`${weight.name}/${CAM}`, withTrailingAxes(weight.source, 2));
  return named(CAM, conv2d({ x: head.features, weight: kernel }));
}

function headOf({ outputs, aliases, ...rest }: Graph) {
  const name = Object.hasOwn(aliases, "logits") ? aliases.logits : undefined;
  const values = valuesOf({ outputs, aliases, ...rest });
  const classifier = outputs.logits ?? values.find((value) => value.name === (name ?? "logits"));
  if (!is(classifier, "linear")) return undefined;
  const rows: Node<"flatten"> | undefined = is(classifier.inputs.x, "flatten") ? classifier.inputs.x : undefined;
  const pool = rows?.inputs.x;
  return is(pool, "globalAveragePool") ? { classifier, features: pool.inputs.x } : undefined;
}
