import { sizeOf, UnsupportedError } from "@residual/core";
import { byteSizes, type StoredDType } from "../dtypes.ts";
import { type Pickled, PickledObject, type PickleFunction, type PickleGlobal, Unpickler } from "./unpickler.ts";

/** A storage of PyTorch: contiguous numbers, on which tensors are views. */
export class TorchStorage {
  /** The storage's name in the file. */
  readonly key: string;
  /** Undefined for untyped storages, whose tensors have a dtype. */
  readonly dtype: StoredDType | undefined;
  /** The size in numbers of the dtype, or in bytes if untyped. */
  readonly size: number;

  constructor(key: string, dtype: StoredDType | undefined, size: number) {
    this.key = key;
    this.dtype = dtype;
    this.size = size;
  }
}

/** A tensor in PyTorch's form: a view of a storage. Offset and strides count elements. */
export class TorchTensor {
  readonly storage: TorchStorage;
  readonly dtype: StoredDType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(
    storage: TorchStorage,
    dtype: StoredDType,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** The size of a storage in a file, in bytes. */
export function storageBytes({ dtype = "U8", size }: TorchStorage): number {
  return size * byteSizes[dtype];
}

type Refuse = (problem: string) => never;

/** Makes the errors of a pickle's reader. */
export interface Failures {
  readonly refuse: Refuse;
  readonly end: () => never;
}

/**
 * A reader of the pickles in a file of `torch.save`. Tensors become TorchTensor objects, which refer to a storage; the
 * numbers stay in the file. Only the listed names are known, and they only run the functions in this file. Each storage
 * is added to `storages` by its key.
 */
export function torchUnpickler(bytes: Uint8Array, storages: Map<string, TorchStorage>, fail: Failures): Unpickler {
  const persistent = (id: Pickled) => {
    const storage = storageOf(id, fail.refuse);
    const known = storages.get(storage.key) ?? storage;
    const isSame = known.dtype === storage.dtype && known.size === storage.size;
    if (!isSame) fail.refuse("its pickle: a storage is named twice, and differently");
    storages.set(storage.key, known);
    return known;
  };
  return new Unpickler(bytes, { globals: globalsFor(fail.refuse, bytes.length), persistent, ...fail });
}

/** PyTorch's legacy storage classes with their dtypes. */
const storageTypes: Readonly<Record<string, StoredDType>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

const dtypes: Readonly<Record<string, StoredDType>> = {
  float64: "F64",
  double: "F64",
  float32: "F32",
  float: "F32",
  float16: "F16",
  half: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  uint16: "U16",
  uint32: "U32",
  uint64: "U64",
  bool: "BOOL",
};

/** A class or dtype that pickles contain as a value. */
class TorchType {
  readonly dtype: StoredDType | undefined;

  constructor(dtype?: StoredDType) {
    this.dtype = dtype;
  }
}

/** Classes of objects in checkpoints that are not weights. The objects are kept, and never inspected. */
const bystanders = [
  "argparse.Namespace",
  "types.SimpleNamespace",
  "datetime.date",
  "datetime.datetime",
  "datetime.timedelta",
  "pathlib.Path",
  "pathlib.PosixPath",
  "pathlib.PurePosixPath",
  "pathlib.WindowsPath",
  "pathlib._local.PosixPath",
  "pathlib._local.WindowsPath",
  "numpy.dtype",
  "numpy.ndarray",
  "numpy.core.multiarray._reconstruct",
  "numpy._core.multiarray._reconstruct",
  "numpy.core.multiarray.scalar",
  "numpy._core.multiarray.scalar",
  "numpy.core.numeric._frombuffer",
  "numpy._core.numeric._frombuffer",
  "torch.device",
  "torch.Generator",
  "torch.serialization._get_layout",
  "torch._C._GradScalerState",
];

/** Functions that rebuild tensors without plain numbers, with a description for messages. */
const unread: Readonly<Record<string, string>> = {
  "torch._utils._rebuild_qtensor": "a quantized tensor",
  "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
  "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
  "torch._utils._rebuild_nested_tensor": "a nested tensor",
  "torch._utils._rebuild_meta_tensor_no_storage": "a tensor on the meta device, which has no numbers",
  "torch.storage._load_from_bytes": "a tensor that was pickled by itself, without torch.save",
};

/**
 * The most arguments of all calls together, per byte of the pickle. A pickle contains each value once and may repeat
 * some.
 */
const REPEATS = 4;

function globalsFor(refuse: Refuse, bytes: number): ReadonlyMap<string, PickleGlobal> {
  let given = 0;
  const call = (run: PickleFunction["call"]): PickleFunction => ({
    call(args) {
      for (const value of args)
        given +=
          Array.isArray(value) || typeof value === "string" ? value.length : value instanceof Map ? value.size : 1;
      if (given > REPEATS * bytes) refuse("its pickle: it repeats values too often");
      return run(args);
    },
  });
  const rebuild = call((args) => tensorOf(args, refuse));
  const parameter = call(([data = null]) => data);
  const dictionary = call(([pairs = null]) => mapOf(pairs));
  const list = call(([items = null]) => itemsOf(items));
  const set = call(([items = null]) => new Set(itemsOf(items)));
  return new Map<string, PickleGlobal>([
    ["collections.OrderedDict", dictionary],
    ["collections.defaultdict", call(([, pairs = null]) => mapOf(pairs))],
    ...both("dict", dictionary),
    ...both("list", list),
    ...both("tuple", list),
    ...both("set", set),
    ...both("frozenset", set),
    ["_codecs.encode", call(([text = null]) => latin1(text, refuse))],
    ["torch.Size", list],
    ["torch._utils._rebuild_tensor", rebuild],
    ["torch._utils._rebuild_tensor_v2", rebuild],
    ["torch._utils._rebuild_tensor_v3", rebuild],
    ["torch._utils._rebuild_parameter", parameter],
    ["torch._utils._rebuild_parameter_with_state", parameter],
    ["torch._tensor._rebuild_from_type_v2", call(([of = null, , args = null]) => rebuilt(of, args, refuse))],
    ["torch.nn.parameter.Parameter", parameter],
    ["torch.nn.parameter.Buffer", parameter],
    ["torch.Tensor", { value: new TorchType() }],
    ["torch.storage.UntypedStorage", { value: new TorchType() }],
    ["torch.UntypedStorage", { value: new TorchType() }],
    ...Object.entries(storageTypes).flatMap(([name, dtype]): [string, PickleGlobal][] => [
      [`torch.${name}`, { value: new TorchType(dtype) }],
      [`torch.cuda.${name}`, { value: new TorchType(dtype) }],
    ]),
    ...Object.entries(dtypes).map(([name, dtype]): [string, PickleGlobal] => [
      `torch.${name}`,
      { value: new TorchType(dtype) },
    ]),
    ...bystanders.map((name): [string, PickleGlobal] => [name, call(() => new PickledObject(name))]),
    ...Object.entries(unread).map(([name, what]): [string, PickleGlobal] => [name, call(() => refuseTensor(what))]),
  ]);
}

/** Python 2 and 3 have different names for the module of builtins. */
function both(name: string, known: PickleGlobal): [string, PickleGlobal][] {
  return [
    [`builtins.${name}`, known],
    [`__builtin__.${name}`, known],
  ];
}

function refuseTensor(what: string): never {
  throw new UnsupportedError(
    `it holds ${what}, expected plain tensors; save dense ones: ` +
      "torch.save({k: v.dequantize() if v.is_quantized else v.to_dense() for k, v in model.state_dict().items()}, path)",
  );
}

function mapOf(pairs: Pickled): Map<Pickled, Pickled> {
  if (pairs instanceof Map) return pairs as Map<Pickled, Pickled>;
  const map = new Map<Pickled, Pickled>();
  for (const pair of itemsOf(pairs)) {
    const [key = null, value = null] = itemsOf(pair);
    map.set(key, value);
  }
  return map;
}

function itemsOf(items: Pickled): readonly Pickled[] {
  return Array.isArray(items) ? (items as Pickled[]) : [];
}

/** The bytes in a text: pickles of protocol 2 store bytes as text, one character per byte. */
function latin1(text: Pickled, refuse: Refuse): Uint8Array {
  if (typeof text !== "string") return refuse("its pickle: found no text where bytes are spelt as one");
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Reads `("storage", type, key, location, size)`. In the legacy format a view of the storage is the sixth item. */
function storageOf(id: Pickled, refuse: Refuse): TorchStorage {
  const [tag, type, key, , size, view = null] = itemsOf(id);
  const isStorage = tag === "storage" && type instanceof TorchType && typeof key === "string" && isCount(size);
  if (view !== null) refuseTensor("a storage that is a view of another, as PyTorch before 0.4 wrote it");
  if (!isStorage) return refuse("its pickle: found no storage where a persistent id stands for one");
  return new TorchStorage(key, type.dtype, size);
}

/**
 * Reads the arguments of `_rebuild_tensor` and its successors: storage, offset, size, strides; the third version adds
 * the dtype. The last argument is metadata: bits that change the tensor's numbers when they are read.
 */
function tensorOf(args: readonly Pickled[], refuse: Refuse): TorchTensor {
  const [storage, offset, shape, strides, , , type] = args;
  checkBits(args.slice(6).find((each) => each instanceof Map));
  const isView = isCounts(shape) && isCounts(strides) && shape.length === strides.length && isCount(offset);
  if (!(storage instanceof TorchStorage) || !isView) return refuse("its pickle: a tensor is not in torch.save's form");
  const dtype = type instanceof TorchType ? type.dtype : storage.dtype;
  if (!dtype) return refuse("its pickle: a tensor does not say its dtype");
  checkView(storage, dtype, { offset, shape, strides }, refuse);
  return new TorchTensor(storage, dtype, offset, shape, strides);
}

/** Refuses tensors with the bits `neg` or `conj` set. Source: torch/_utils.py, `get_tensor_metadata`. */
function checkBits(metadata: ReadonlyMap<unknown, unknown> = new Map()): void {
  const set = [...metadata].find(([, value]) => value !== false);
  if (!set) return;
  const name = typeof set[0] === "string" ? JSON.stringify(set[0].slice(0, 20)) : "of another name";
  throw new UnsupportedError(
    `it holds a tensor with the bit ${name} set, which changes its numbers, ` +
      "expected plain tensors; save resolved ones: " +
      "torch.save({k: v.resolve_neg().resolve_conj() for k, v in model.state_dict().items()}, path)",
  );
}

/**
 * Checks that a tensor lies within its storage. A tensor expanded with strides of 0 may be larger than its storage: the
 * layout limits the sum of sizes.
 */
function checkView(
  storage: TorchStorage,
  dtype: StoredDType,
  { offset, shape, strides }: Pick<TorchTensor, "offset" | "shape" | "strides">,
  refuse: Refuse,
): void {
  const size = sizeOf(shape);
  const numbers = storage.dtype ? storage.size : Math.floor(storage.size / byteSizes[dtype]);
  const last = shape.reduce((at, length, axis) => at + (length - 1) * strides[axis]!, offset);
  if (size === 0 || (Number.isSafeInteger(size) && last < numbers)) return;
  refuse(`its pickle: a tensor of ${size} numbers reaches to number ${last} of a storage of ${numbers}`);
}

function rebuilt(callee: Pickled, args: Pickled, refuse: Refuse): Pickled {
  if (typeof callee !== "object" || callee === null || !("call" in callee))
    return refuse("its pickle: found no function");
  return (callee as PickleFunction).call(itemsOf(args));
}

function isCount(value: Pickled | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: Pickled | undefined): value is number[] {
  return Array.isArray(value) && value.every((each) => isCount(each as Pickled));
}
