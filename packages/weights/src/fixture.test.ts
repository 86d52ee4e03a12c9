import { readdirSync, readFileSync } from "node:fs";
import { type Graph, graph, input, ops, parameter, type Tensor } from "@residual/core";
import { describe, expect, it } from "vitest";
import { fill, fixtureInput, fixtureWeights, fnv1a32, hashU32, rolesOf } from "./fixture.ts";
import { inputSha256, weightsSha256 } from "./sha256.ts";
import { type GoldenTensor, graphReading } from "./testing/golden-graph.ts";
import { sharedPath } from "./testing/shared.ts";

interface HashRow {
  readonly name: string;
  readonly seed: number;
  readonly range: readonly [number, number];
  readonly index: readonly number[];
  readonly h: readonly number[];
  readonly u: readonly number[];
  readonly value: readonly number[];
  readonly bits: readonly number[];
}

interface Golden {
  readonly id: string;
  readonly salt: string;
  readonly weightsSha256: string;
  readonly input: { readonly name: string; readonly shape: readonly number[]; readonly sha256: string };
  readonly tensors: readonly GoldenTensor[];
}

const hashCheck = readJson<{ salt: string; rows: HashRow[] }>(new URL("../golden/hash_check.json", import.meta.url));

function readJson<T>(path: string | URL): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

describe.each(hashCheck.rows)("the hash fill named $name", ({ name, seed, range, index, h, value, bits }) => {
  it("has the goldens' seed and hashes", () => {
    expect(fnv1a32(`${hashCheck.salt}/${name}`)).toBe(seed);
    expect(index.map((i) => hashU32(seed, i))).toEqual(h);
  });

  it("has the goldens' values, to the bit", () => {
    const near = index.filter((i) => i < 70_000);
    const { data } = fill(hashCheck.salt, name, [70_000], ...range);
    expect(near.map((i) => data[i])).toEqual(value.slice(0, near.length));
    const words = new Uint32Array(data.buffer);
    expect(near.map((i) => words[i])).toEqual(bits.slice(0, near.length));
  });
});

it("fills a scalar and nothing at all", () => {
  expect(fill("v1", "x", [], 0, 1).data).toHaveLength(1);
  expect(fill("v1", "x", [0, 3], 0, 1).data).toHaveLength(0);
});

it("fills 25 million values in seconds, far from one allocation per value", { retry: 2 }, () => {
  const begin = performance.now();
  fill("v1", "large", [25_000_000], -1, 1);
  expect(performance.now() - begin).toBeLessThan(3000);
});

describe("roles", () => {
  it("come from the op that reads a parameter, fused or not", () => {
    const x = input("image", [1, 2, 3, 3]);
    const weights = { weight: parameter("a.weight", [2, 2, 1, 1]), bias: parameter("a.bias", [2]) };
    const plain = graph({ name: "plain", inputs: { image: x }, outputs: { y: ops.conv2d({ x, ...weights }) } });
    const fused = graph({ name: "fused", inputs: { image: x }, outputs: { y: ops.fusedConv2d({ x, ...weights }) } });
    for (const each of [plain, fused]) expect([...rolesOf(each).values()]).toEqual(["conv_w", "conv_b"]);
  });

  it("tell the last norm of a block by its name", () => {
    const names = [
      "bn1",
      "bn2",
      "a.bn1",
      "a.bn2",
      "b.bn1",
      "b.bn2",
      "b.bn3",
      "c.bn1",
      "d.downsample.1",
      "d.shortcut_bn",
    ];
    const roles = rolesOf(graphReading(names.flatMap(normNamed)));
    const last = names.filter((name) => roles.get(`${name}.weight`) === "bn_gamma_last");
    expect(last).toEqual(["a.bn2", "b.bn3"]);
  });

  it("are missing for a parameter that no such op reads", () => {
    const x = input("image", [1, 2, 3, 3]);
    const y = ops.add({ a: x, b: parameter("shift", [1, 2, 3, 3]) });
    const strange = graph({ name: "strange", inputs: { image: x }, outputs: { y } });
    expect(() => fixtureWeights(strange, "v1")).toThrow(/strange: shift is read by no op/);
  });
});

function normNamed(name: string): GoldenTensor[] {
  return ["weight", "bias", "running_mean", "running_var"].map((suffix) => [`${name}.${suffix}`, [2], ""]);
}

it("refuses an input that is no image", () => {
  expect(() => fixtureInput("v1", [2, 3])).toThrow("fixtureInput.C1: expected [N, C, H, W], found [2, 3]");
});

/** Three of the goldens, small enough to stand here: seed 000's block, with and without projection, and its stride. */
const smallGoldens: readonly Golden[] = [
  {
    id: "seed000_block_s1_id_2x8x7x6",
    salt: "v1",
    weightsSha256: "734bfc136a43193a0bb07836b465f3f60ad69cd51d58f9e3b26b060b0c29e2dd",
    input: {
      name: "input",
      shape: [2, 8, 7, 6],
      sha256: "91a36819621fb05e32afef8fc406c917cc9d29d08e2891bca91f714492c4fc99",
    },
    tensors: blockTensors(8, 8, false),
  },
  {
    id: "seed000_block_s1_proj_2x6x7x6",
    salt: "v1",
    weightsSha256: "fb0ba7a46ebf72001ca4e132e51159a554e8b48b870499e17381e5876b52e3ad",
    input: {
      name: "input",
      shape: [2, 6, 7, 6],
      sha256: "354408ce3d69c2470a0688ffdd22c8009142d614336bdaf22e4deea3d61e1a76",
    },
    tensors: blockTensors(6, 8, true),
  },
  {
    id: "seed000_block_s2_1x8x7x9",
    salt: "v1",
    weightsSha256: "43e3d8a2f20331cc949c5be7bad539db8d8ada2fec1b702adbf4cea44df72595",
    input: {
      name: "input",
      shape: [1, 8, 7, 9],
      sha256: "645f30778ac3d0482757e2ac65989c06a454398706122a315e9d46dfff2c1189",
    },
    tensors: blockTensors(8, 8, true),
  },
];

function blockTensors(from: number, to: number, projects: boolean): GoldenTensor[] {
  return [
    ...convAndNorm("block.conv1", [to, from, 3, 3], "block.bn1", "bn_gamma"),
    ...convAndNorm("block.conv2", [to, to, 3, 3], "block.bn2", "bn_gamma_last"),
    ...(projects ? convAndNorm("block.shortcut", [to, from, 1, 1], "block.shortcut_bn", "bn_gamma") : []),
  ];
}

function convAndNorm(
  conv: string,
  shape: readonly [number, number, number, number],
  norm: string,
  gamma: string,
): GoldenTensor[] {
  const [channels] = shape;
  return [
    [`${conv}.weight`, shape, "conv_w"],
    [`${conv}.bias`, [channels], "conv_b"],
    [`${norm}.weight`, [channels], gamma],
    [`${norm}.bias`, [channels], "bn_beta"],
    [`${norm}.running_mean`, [channels], "bn_mean"],
    [`${norm}.running_var`, [channels], "bn_var"],
  ];
}

async function checkGolden(golden: Golden): Promise<void> {
  const reading = graphReading(golden.tensors);
  checkRoles(reading, golden);
  const { tensors } = fixtureWeights(reading, golden.salt);
  expect([...tensors.keys()]).toEqual(golden.tensors.map(([name]) => name));
  expect(await weightsSha256(tensors.values() as Iterable<Tensor<"float32">>)).toBe(golden.weightsSha256);
  const { name, shape, sha256 } = golden.input;
  expect(await inputSha256(fixtureInput(golden.salt, shape, name))).toBe(sha256);
}

function checkRoles(reading: Graph, { tensors }: Golden): void {
  expect(Object.fromEntries(rolesOf(reading))).toEqual(
    Object.fromEntries(tensors.map(([name, , role]) => [name, role])),
  );
}

it.each(smallGoldens)("gives the weights and the input of $id", checkGolden);

/** Values; with it the whole folder takes a second or two. */
const largestFilled = 2_000_000;
const goldens = sharedPath("goldens/infer");

it.skipIf(!goldens)("gives the weights and inputs of all goldens, and the roles of the large ones", async () => {
  for (const file of readdirSync(goldens!)) {
    const golden = readJson<Golden>(`${goldens}/${file}`);
    const values = golden.tensors.reduce(
      (sum, [, shape]) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    );
    if (values <= largestFilled) await checkGolden(golden);
    else checkRoles(graphReading(golden.tensors), golden);
  }
});
