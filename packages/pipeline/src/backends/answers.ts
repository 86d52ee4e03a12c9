import {
  type AnyNode,
  type Backend,
  concrete,
  constant,
  fill,
  type Graph,
  graph,
  input,
  macsOf,
  nodesOf,
  ops,
  reference,
  select,
  sizeOf,
  type Tensor,
  tensorOf,
} from "@residual/core";

/** The outputs of a network by name, row-major. */
type Answers = { readonly [name: string]: ArrayLike<number> };

type Change = (tensor: Tensor<"float32">) => Tensor<"float32">;

/** Each element's magnitude. */
const magnitudes: Change = ({ shape, data }) => tensorOf("float32", shape, data.map(Math.abs));

/**
 * The kinds of layers of a ResNet, each applied to the image itself, since rounding errors of a chain would hide an
 * error of one layer: a 7 × 7 with stride 2, a max pool, a 3 × 3 with a residual, a strided 3 × 3, a 1 × 1, a grouped 3
 * × 3. A head on the residual makes it a short network. 0.3e6 multiply-adds.
 */
function layers(change: Change): Graph<"image"> {
  const numbers = (name: string, ...shape: readonly number[]) =>
    constant(name, change(fill("auto", name, shape, -1, 1)));
  const image = input("image", IMAGE);
  const convolution = (name: string, window: number, options: { stride?: number; groups?: number } = {}) => {
    const weight = numbers(`${name}.weight`, CHANNELS, CHANNELS / (options.groups ?? 1), window, window);
    const bias = numbers(`${name}.bias`, CHANNELS);
    return ops.conv2d({ x: image, weight, bias }, { ...options, padding: (window - 1) / 2 });
  };
  const residual = ops.relu({ x: ops.add({ a: convolution("residual", 3), b: image }) });
  const outputs = {
    stem: ops.relu({ x: convolution("stem", 7, { stride: 2 }) }),
    pool: ops.maxPool2d({ x: image }, { window: 3, stride: 2, padding: 1 }),
    residual,
    strided: convolution("strided", 3, { stride: 2 }),
    shortcut: convolution("shortcut", 1, { stride: 2 }),
    grouped: convolution("grouped", 3, { groups: 2 }),
    logits: ops.linear({
      x: ops.flatten({ x: ops.globalAveragePool({ x: residual }) }),
      weight: numbers("head.weight", CLASSES, CHANNELS),
      bias: numbers("head.bias", CLASSES),
    }),
  };
  return graph({ name: "auto", inputs: { image }, outputs });
}

/** Odd sides, and not a multiple of a vector or a tile. */
const IMAGE = [1, 8, 13, 13];
const CHANNELS = 8;
const CLASSES = 10;

/**
 * A description of the first wrong output of a backend on a small network; undefined if each element is within
 * float32's bound of the float64 result.
 *
 * The bound: let y be a value of the network, and M the same value with image, weights and biases replaced by their
 * magnitudes. Then |computed − y| ≤ γ_N·M for every order of the sums, where N is the number of roundings on the
 * longest path to y. By induction over the nodes: a sum of n products with inputs within γ_a of theirs is within γ_(a +
 * n) (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.3), and max and ReLU enlarge no difference.
 */
export async function faultIn(backend: Backend): Promise<string | undefined> {
  const image = fill("auto", "image", IMAGE, -1, 1);
  const plain = layers((tensor) => tensor);
  const found = await answersOf(backend, plain, image);
  const expected = await answersOf(reference, plain, image);
  const largest = await answersOf(reference, layers(magnitudes), magnitudes(image));
  for (const [name, right] of Object.entries(expected)) {
    const gamma = gammaOf(nodesOf(select(plain, [name])));
    for (let index = 0; index < right.length; index++) {
      const [value, bound] = [found[name]?.[index] ?? Number.NaN, gamma * largest[name]![index]!];
      if (Math.abs(value - right[index]!) <= bound) continue; // false for NaN
      return `${name}[${index}] of a small network is ${value}, expected ${right[index]} ± ${bound.toExponential(1)}`;
    }
  }
  return undefined;
}

async function answersOf(backend: Backend, net: Graph<"image">, image: Tensor<"float32">): Promise<Answers> {
  await using executable = await backend.compile(net);
  const answers = await executable.run({ image });
  return Object.fromEntries(Object.entries(answers).map(([name, { data }]) => [name, data]));
}

/** γ for the roundings of consecutive nodes. */
function gammaOf(nodes: readonly AnyNode[]): number {
  const roundings = nodes.reduce((sum, node) => sum + roundingsOf(node), 0) * UNIT;
  return roundings / (1 - roundings);
}

/** Half the distance from 1 to the next float32. */
const UNIT = 2 ** -24;

/** The number of terms of each sum; one more for a bias, and one for a mean's division. */
function roundingsOf(node: AnyNode): number {
  const [x] = Object.values(node.inputs);
  const summed = Math.max(macsOf(node, 1), sizeOf(concrete(x!.shape, 1)));
  return Math.ceil(summed / sizeOf(concrete(node.shape, 1))) + 1;
}
