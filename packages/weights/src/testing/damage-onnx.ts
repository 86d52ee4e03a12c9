import { readFileSync } from "node:fs";
import { join } from "./bytes.ts";
import { type Damage, damageBytes } from "./damage.ts";
import { bytes, external, initializer, message, modelProto, tensorProto, varint, whole } from "./protobuf.ts";
import { pick, type Random } from "./random.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../onnx/fixtures/${name}`, import.meta.url)));

/** Models as exporters write them: numbers as names, Constant nodes, all kinds of lists, one unit of a network. */
export const onnxFiles: readonly Uint8Array[] = ["tensors.onnx", "numbers.onnx", "unit.onnx"].map(fixture);

const hostile = [
  0,
  1,
  2,
  3,
  7,
  16,
  255,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2n ** 62n,
  2n ** 63n - 1n,
  -1,
  -(2n ** 63n),
] as const;
const texts = ["", "x", "w", "w.bin", "../w", "/etc/passwd", "é", "\0", "9007199254740993", "-1", "__proto__", "Conv"];
const operators = [
  "Conv",
  "Relu",
  "Add",
  "Gemm",
  "MatMul",
  "Pad",
  "Slice",
  "Reshape",
  "Constant",
  "Cast",
  "Identity",
  "MaxPool",
];
const attributes = ["value", "perm", "pads", "strides", "kernel_shape", "axes", "to", "group", "auto_pad", "epsilon"];
const names = ["x", "w", "y", "z", ""];

/** A model with hostile values in well-formed fields: shapes, lists, positions of data, nodes. */
function anyModel(random: Random): Uint8Array {
  const number = () => pick(random, hostile);
  const packed = () => join(Array.from({ length: random(6) }, () => varint(number())));
  const raw = () => new Uint8Array(pick(random, [0, 1, 4, 8, 24, 100]));
  const data: readonly (() => Uint8Array)[] = [
    () => bytes(9, raw()),
    () => bytes(pick(random, [4, 5, 7, 10, 11]), random(2) ? packed() : raw()),
    () => join([whole(5, number()), whole(7, number())]),
    () => external({ location: pick(random, texts), offset: String(number()), length: String(number()) }),
    () => new Uint8Array(),
  ];
  const dims = () => Array.from({ length: random(5) }, number);
  const tensor = () =>
    tensorProto(
      pick(random, names),
      random(20),
      dims(),
      ...Array.from({ length: 1 + random(2) }, () => pick(random, data)()),
    );
  const attribute = () =>
    message(
      5,
      bytes(1, pick(random, attributes)),
      pick(random, [
        () => whole(3, number()),
        () => bytes(8, packed()),
        () => bytes(4, pick(random, texts)),
        () => bytes(5, tensor()),
        () => bytes(7, raw()),
        () => bytes(6, raw()),
      ])(),
    );
  const node = () =>
    message(
      1,
      ...Array.from({ length: random(4) }, () => bytes(1, pick(random, names))),
      bytes(2, pick(random, names)),
      bytes(4, pick(random, operators)),
      ...Array.from({ length: random(3) }, attribute),
    );
  const info = (field: number) =>
    message(field, bytes(1, pick(random, names)), message(2, message(1, message(2, message(1, whole(1, number()))))));
  const parts = [() => initializer(tensor()), node, () => info(11), () => info(12), () => message(15)];
  return modelProto(...Array.from({ length: random(8) }, () => pick(random, parts)()));
}

const damages = onnxFiles.map((file) => damageBytes(file));

export const damageOnnx: Damage = (random) => (random(2) ? anyModel(random) : pick(random, damages)(random));
