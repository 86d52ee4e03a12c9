import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, isTensor, ResidualError, readTensor, UnsupportedError } from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";
import { bitsOf } from "../testing/bits.ts";
import { readDamaged } from "../testing/damage.ts";
import { damageLegacy, damagePyTorch } from "../testing/damage-pytorch.ts";
import { sharedPath } from "../testing/shared.ts";
import { torchPickle, torchZip } from "../testing/torch-zip.ts";

const fixtures = new URL("fixtures/", import.meta.url);
const fixture = (name: string) => readFile(new URL(name, fixtures));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-torch-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("what torch.save wrote (fixtures/make.py)", () => {
  it.each([
    "dtypes",
    "dtypes-legacy",
    "views",
    "views-legacy",
    "checkpoint",
    "checkpoint-legacy",
    "parameters",
    "expanded",
    "expanded-legacy",
  ])("%s has the bits that safetensors' own writer gave its tensors", async (name) => {
    const expected = await bitsOf(await readWeights(new URL(`${name}.pth.safetensors`, fixtures)));
    expect(await bitsOf(await readWeights(new URL(`${name}.pth`, fixtures)))).toEqual(expected);
    expect(await bitsOf(await readWeights(new Blob([new Uint8Array(await fixture(`${name}.pth`))])))).toEqual(expected);
  });

  it.each([
    ["module.pth", /asks for "torch\.nn\.modules\.container\.Sequential"; Residual executes nothing/],
    ["quantized.pth", /asks for "torch\.QInt8Storage"/],
    ["negative.pth", /a tensor with the bit "neg" set.*resolve_neg\(\)/],
    ["negative-legacy.pth", /a tensor with the bit "neg" set.*resolve_neg\(\)/],
    ["conjugate.pth", /asks for "torch\.ComplexFloatStorage"/],
    ["sparse.pth", /holds a sparse tensor, expected plain tensors/],
  ])("%s is refused, with the way out", async (name, message) => {
    const reading = readWeights(new URL(name, fixtures));
    await expect(reading).rejects.toThrow(UnsupportedError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(/torch\.save\(/);
  });

  it.each<[string, object]>([
    ["arch.pth", { arch: "resnet18", classes: '["cat","dog"]' }],
    ["args.pth", { arch: "resnet50", classes: '["cat","dog"]' }], // ordered by the indices of class_to_idx
    ["checkpoint.pth", { arch: "resnet18" }], // its classes are a set, without an order
    ["checkpoint-legacy.pth", { arch: "resnet18" }],
    ["parameters.pth", {}],
  ])("%s says its architecture and classes", async (name, metadata) => {
    expect((await readWeights(new URL(name, fixtures))).metadata).toEqual(metadata);
  });

  const published = sharedPath("data/weights/cifar-resnet");
  it.skipIf(!published).each(["resnet20-12fca82f", "resnet32-d509ac18", "resnet44-014dd654"])(
    "%s.th, published in the format of old, has the bits of its safetensors",
    async (name) => {
      const { tensors } = await readWeights(join(published!, `${name}.th`));
      const own = new Map([...tensors].map(([key, source]) => [key.replace(/^module\./, ""), source]));
      const expected = await readWeights(join(published!, `${name}.safetensors`));
      expect(await bitsOf(expected.withTensors(own))).toEqual(await bitsOf(expected));
    },
  );
});

describe("large files", () => {
  it("are not held in memory, and have the same bits", async () => {
    const shapes = [[64, 3, 7, 7], [2048, 2048, 2], [64], [512, 1024]];
    const data = shapes.map((shape, k) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return Float32Array.from({ length: size }, (_, i) => Math.sin(i * (k + 1)));
    });
    const tensors = shapes.map((shape, i) => ({ name: `t${i}`, shape }));
    const members = data.map((numbers, i): [string, Uint8Array] => [`data/${i}`, new Uint8Array(numbers.buffer)]);
    const file = join(folder, "large.pth");
    await writeFile(file, torchZip({ "data.pkl": torchPickle(tensors), ...Object.fromEntries(members) }));
    const { tensors: read } = await readWeights(file);
    expect([...read].filter(([, source]) => !isTensor(source)).map(([name]) => name)).toEqual(["t1", "t3"]);
    for (const [i, { name, shape }] of tensors.entries()) {
      const found = await readTensor(read.get(name)!);
      expect(found.shape).toEqual(shape);
      expect(
        Buffer.compare(Buffer.from(found.data.buffer, found.data.byteOffset, found.data.byteLength), members[i]![1]),
      ).toBe(0);
    }
  });
});

/** A file of torch.save with the given pickle and a storage of one float32 number. */
const zipOf = (pickle: string) =>
  torchZip({
    "data.pkl": Buffer.from(pickle, "latin1"),
    "data/0": new Uint8Array(4),
    byteorder: Buffer.from("little"),
  });
const tensorOf = (storage: string, rest: string) =>
  `\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(${storage}${rest}tRs.`;
const storage = (size = "K\x01") => `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu${size}tQ`;
const oneTensor = tensorOf(storage(), "K\0K\x01\x85K\x01\x85\x89}").slice("\x80\x02}X\x01\0\0\0w".length, -"s.".length);

describe("hostile pickles execute nothing, and are typed errors", () => {
  it.each<[string, string, abstract new (message: string) => ResidualError, RegExp]>([
    ["os.system by REDUCE", "cos\nsystem\n(S'true'\ntR.", UnsupportedError, /asks for "os\.system"/],
    ["posix.system by INST", "(S'true'\niposix\nsystem\n.", UnsupportedError, /asks for "posix\.system"/],
    ["eval by STACK_GLOBAL", "\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", UnsupportedError, /"builtins\.eval"/],
    ["a name of a megabyte", `c${"m".repeat(1e6)}\nx\n.`, UnsupportedError, /asks for "m{100}…"/],
    ["an object's own property", "cconstructor\nprototype\n.", UnsupportedError, /"constructor\.prototype"/],
    ["an extension", "\x80\x02\x82\x01.", UnsupportedError, /an extension of the registry/],
    ["buffers out of band", "\x80\x05\x97.", UnsupportedError, /buffers that are not in the file/],
    ["what is called is data", "K\x01)R.", FormatError, /found a number, expected something to call/],
    ["a dictionary called", "})R.", FormatError, /found a dictionary, expected something to call/],
    ["a whole number of 2 GiB", "\x8b\xff\xff\xff\x7f.", FormatError, /takes 2147483647 bytes/],
    ["a text of 2^63 bytes", "\x8d\0\0\0\0\0\0\0\x80.", FormatError, /ends too early/],
    ["a value that was never stored", "h\x07.", FormatError, /recalls value 7/],
    ["no value", ".", FormatError, /a value is missing/],
    ["no mark", "K\x01t.", FormatError, /a mark is missing/],
    ["no opcode", "\xff.", FormatError, /found 0xff, which is no opcode/],
    ["no end", "K\x01", FormatError, /ends too early/],
    ["a key without its value", "}(K\x01u.", FormatError, /a key is without its value/],
    [
      "a list that contains itself",
      "]q\0h\0a.",
      UnsupportedError,
      /tensors: found a list \(values: 1, tensors among them: 0\); save/,
    ],
    [
      "a dictionary of other things",
      "}X\x05\0\0\0epochK\x07sK\x03Ns.",
      UnsupportedError,
      /: found a dictionary with the keys "epoch", 3; save/,
    ],
    ["an empty dictionary", "}.", UnsupportedError, /no dictionary of tensors: found an empty dictionary; save/],
    ["a tensor alone", `${oneTensor}.`, UnsupportedError, /no dictionary of tensors: found a tensor \[1\]; save/],
    [
      "a list of tensors",
      `](${oneTensor}Ne.`,
      UnsupportedError,
      /found a list \(values: 2, tensors among them: 1\); save/,
    ],
    ["nothing", "N.", UnsupportedError, /no dictionary of tensors: found None; save/],
    ["a dictionary that contains itself", "}q\0X\x01\0\0\0ah\0s.", UnsupportedError, /no dictionary of tensors/],
    [
      "a tensor larger than its storage",
      tensorOf(storage(), "K\0K\x02\x85K\x01\x85\x89}"),
      FormatError,
      /of 2 numbers/,
    ],
    [
      "a billion numbers out of one",
      tensorOf(storage(), "K\0J\0\xca\x9a\x3b\x85K\0\x85\x89}"),
      UnsupportedError,
      /share storages: they take 4000000000 bytes/,
    ],
    [
      "a tensor before its storage",
      tensorOf(storage(), "J\xff\xff\xff\xffK\x01\x85K\x01\x85\x89}"),
      FormatError,
      /not in torch/,
    ],
    [
      "a storage larger than its file",
      tensorOf(storage("J\xff\xff\xff\x7f"), "K\0J\xff\xff\xff\x7f\x85K\x01\x85\x89}"),
      FormatError,
      /has 4 bytes, and its pickle says 8589934588/,
    ],
    [
      "a storage that is not there",
      tensorOf(storage().replace("\x000X", "\x009X"), "K\0K\x01\x85K\x01\x85\x89}"),
      FormatError,
      /its zip lacks "data\/9"/,
    ],
    ["a storage without a type", "(X\x07\0\0\0storageK\x01K\x01K\x01K\x01tQ.", FormatError, /found no storage/],
  ])("%s", async (_, pickle, kind, message) => {
    const reading = readWeights(zipOf(pickle));
    await expect(reading).rejects.toThrow(kind);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(/^[\s\S]{0,700}$/);
  });

  const long = (text: string) =>
    `X${String.fromCharCode(...new Uint8Array(new Uint32Array([text.length]).buffer))}${text}`;
  it.each([
    ["sets out of one list", `c__builtin__\nset\nq\0](${"N".repeat(50_000)}e\x85q\x01${"h\0h\x01R0".repeat(20_000)}}.`],
    [
      "sets by way of a rebuild",
      `c__builtin__\nset\nq\0](${"N".repeat(50_000)}e\x85q\x01ctorch._tensor\n_rebuild_from_type_v2\nq\x02(h\0Nh\x01Ntq\x03${"h\x02h\x03R0".repeat(20_000)}}.`,
    ],
    ["texts out of one", `c_codecs\nencode\nq\0${long("a".repeat(50_000))}\x85q\x01${"h\0h\x01R0".repeat(20_000)}}.`],
  ])("%s, again and again, take no quadratic time", async (_, pickle) => {
    const begin = performance.now();
    await expect(readWeights(zipOf(`\x80\x02${pickle}`))).rejects.toThrow("it repeats values too often");
    expect(performance.now() - begin).toBeLessThan(2000); // over 10,000 ms without the limit
  });

  it("a thousand tensors out of one storage are not copied", async () => {
    const view = tensorOf(storage("M\0\x40"), "K\0M\0\x40\x85K\x01\x85\x89}").slice(9, -2);
    const named = Array.from({ length: 1000 }, (_, i) => `${long(`t${i}`)}${view}`);
    const pickle = `\x80\x02}(${named.join("")}u.`;
    const zip = torchZip({ "data.pkl": Buffer.from(pickle, "latin1"), "data/0": new Uint8Array(4 * 0x4000) });
    await expect(readWeights(zip)).rejects.toThrow(UnsupportedError);
    await expect(readWeights(zip)).rejects.toThrow(/share storages: they take 65536000 bytes.*v\.clone\(\)/);
  });

  it("a storage smaller than its pickle says is not filled from what lies behind it", async () => {
    const shapes = [{ name: "a", shape: [4] }];
    const zip = torchZip({ "data.pkl": torchPickle(shapes), "data/0": new Uint8Array(8), version: new Uint8Array(64) });
    await expect(readWeights(zip)).rejects.toThrow(FormatError);
    await expect(readWeights(zip)).rejects.toThrow("its data/0 has 8 bytes, and its pickle says 16");
  });

  it("a tensor beside the state dict, as the best accuracy is in PyTorch's own examples, is passed over", async () => {
    const one = tensorOf(storage(), "K\0K\x01\x85K\x01\x85\x89}").slice(9, -2);
    const state = `}(${long("a")}${one}${long("b")}${one}u`;
    for (const checkpoint of [
      `${long("state_dict")}${state}${long("best_acc1")}${one}`,
      `${long("best_acc1")}${one}${long("last")}}(${long("loss")}${one}${long("model")}${state}u`,
    ]) {
      const { tensors } = await readWeights(zipOf(`\x80\x02}(${checkpoint}u.`));
      expect([...tensors.keys()]).toEqual(["a", "b"]);
    }
    const { tensors } = await readWeights(zipOf(`\x80\x02}(${long("a")}${one}${long("model")}}${long("b")}${one}su.`));
    expect([...tensors.keys()]).toEqual(["a"]); // a tie: the root wins
  });

  it("several state dicts that are equally good are named", async () => {
    const one = (name: string) =>
      `X\x01\0\0\0${name}}${tensorOf(storage(), "K\0K\x01\x85K\x01\x85\x89}").slice(3, -1)}`;
    await expect(readWeights(zipOf(`\x80\x02}(${one("a")}${one("b")}u.`))).rejects.toThrow(
      'several dictionaries of tensors: a, b; choose one with `prefix`, as "a.", or save the tensors alone',
    );
    const { tensors } = await readWeights(zipOf(`\x80\x02}(${one("a")}${one("b")}u.`), { prefix: "b." });
    expect([...tensors.keys()]).toEqual(["w"]);
  });

  describe("a moving average in a dictionary of its own", () => {
    const one = tensorOf(storage(), "K\0K\x01\x85K\x01\x85\x89}").slice(9, -2);
    const state = (prefix: string) => `}(${long(`${prefix}a`)}${one}${long(`${prefix}b`)}${one}u`;
    const zip = (name: string, prefix = "") =>
      zipOf(`\x80\x02}(${long("model")}${state("")}${long(name)}${state(prefix)}u.`);

    it.each(["ema", "ema_state_dict", "model_ema", "average"])("called %s is left out, with a note", async (name) => {
      const { tensors, notes } = await readWeights(zip(name, "m."));
      expect([...tensors.keys()]).toEqual(["a", "b"]);
      expect(notes).toEqual([expect.stringContaining(`other tensors under "${name}"`)]);
      expect(notes).toEqual([expect.stringContaining(`\`prefix\` "${name}." takes them`)]);
    });

    it.each(["ema.", "ema", "ema.m.", "ema.m"])("is taken by the prefix %s", async (prefix) => {
      const { tensors, notes } = await readWeights(zip("ema", "m."), { prefix });
      expect([...tensors.keys()]).toEqual(prefix.includes("m.") || prefix.endsWith(".m") ? ["a", "b"] : ["m.a", "m.b"]);
      expect(notes).toEqual([]);
    });

    it.each(["model.", "model"])("is not that by the prefix %s", async (prefix) => {
      const { tensors } = await readWeights(zip("ema", "m."), { prefix });
      expect([...tensors.keys()]).toEqual(["a", "b"]);
    });

    it("of another name is none, and the error names a prefix that is there", async () => {
      await expect(readWeights(zip("ema"), { prefix: "average." })).rejects.toThrow(
        'found no tensor under "average." among 2, the first of which is "a"',
      );
    });
  });
});

describe("damaged files", () => {
  it("every cut is a typed error", async () => {
    for (const name of ["views.pth", "views-legacy.pth"]) {
      const whole = new Uint8Array(await fixture(name));
      for (let length = 0; length < whole.length; length += 7) {
        const error = await readWeights(whole.slice(0, length)).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ResidualError);
      }
    }
  });

  it.each([
    ["zips", damagePyTorch],
    ["rows of pickles", damageLegacy],
  ] as const)("of 2,000 %s each is read or a typed error, of the right sizes", async (name, damage) => {
    const counts = await readDamaged(damage, 2000, name);
    for (const outcome of ["read", "FormatError", "UnsupportedError"] as const)
      expect(counts[outcome]).toBeGreaterThan(9);
  });
});
