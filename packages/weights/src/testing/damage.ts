import { FormatError, sizeOf, type Tensor, UnsupportedError, WeightsError } from "@residual/core";
import { readWeights } from "../read-weights.ts";
import { readTensors, type Weights } from "../weights.ts";
import { join } from "./bytes.ts";
import { pick, type Random, randomFrom } from "./random.ts";

/** Returns another damaged file of a format at each call. */
export type Damage = (random: Random) => Uint8Array;

/** Hostile values of fields, as 64-bit numbers. */
const hostileFields = [0n, 1n, 2n ** 16n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/**
 * Damage to files of any format: flipped bits, other numbers in fields, a truncated file, a moved part. `isData`
 * selects bytes that are not damaged: numbers of tensors, in which all bits are valid.
 */
export function damageBytes(original: Uint8Array, isData: (at: number) => boolean = () => false): Damage {
  const places = Array.from(original.keys()).filter((at) => !isData(at));
  const place = (random: Random) => pick(random, places);
  const kinds: readonly ((random: Random, bytes: Uint8Array) => Uint8Array)[] = [
    (random, bytes) => {
      for (let flips = 1 + random(3); flips > 0; flips--) bytes[place(random)]! ^= 1 << random(8);
      return bytes;
    },
    (random, bytes) => {
      bytes[place(random)] = random(256);
      return bytes;
    },
    (random, bytes) => setField(bytes, place(random), pick(random, [2, 4, 8]), pick(random, hostileFields)),
    // a position in the file as the value of a field, which causes cycles and overlaps
    (random, bytes) => setField(bytes, place(random) & ~7, pick(random, [2, 4, 8]), BigInt(place(random))),
    (random, bytes) => {
      const [from, to] = [place(random) & ~7, place(random) & ~7];
      bytes.copyWithin(to, from, from + 8 * (1 + random(8)));
      return bytes;
    },
    (random, bytes) => bytes.subarray(0, random(bytes.length)),
    (random, bytes) => {
      const at = place(random);
      return join([bytes.subarray(0, at), bytes.subarray(at + random(20))]);
    },
  ];
  return (random) => pick(random, kinds)(random, original.slice());
}

function setField(bytes: Uint8Array, at: number, size: number, value: bigint): Uint8Array {
  for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return bytes;
}

type Outcome = "read" | "FormatError" | "UnsupportedError" | "WeightsError";

/** The most bytes that reading may take besides twice the file's size. */
const ALLOWANCE = 16 << 20;
/** In microseconds of CPU time, because other processes may run. */
const LONGEST = 1_000_000;

/**
 * Reads `count` damaged files, and returns how often each outcome occurred. Throws if a file is neither read nor
 * refused by a typed error, if the sizes of its tensors are wrong or exceed the limit, or if reading takes over a
 * second. The message contains the file.
 */
export async function readDamaged(
  damage: Damage,
  count: number,
  seed: string,
  read: (bytes: Uint8Array) => Promise<Weights> = readWeights,
): Promise<Readonly<Record<Outcome, number>>> {
  const random = randomFrom(seed);
  const counts = { read: 0, FormatError: 0, UnsupportedError: 0, WeightsError: 0 };
  for (let i = 0; i < count; i++) {
    const bytes = damage(random);
    const begun = process.cpuUsage();
    const outcome = await outcomeOf(bytes, read).catch((cause: unknown) => fail(bytes, i, "another error", cause));
    const { user, system } = process.cpuUsage(begun);
    if (user + system > LONGEST) fail(bytes, i, "over a second");
    counts[outcome]++;
  }
  return counts;
}

function fail(bytes: Uint8Array, index: number, problem: string, cause?: unknown): never {
  throw new Error(`damaged file ${index}: ${problem}: ${Buffer.from(bytes).toString("base64")}`, { cause });
}

async function outcomeOf(bytes: Uint8Array, read: (bytes: Uint8Array) => Promise<Weights>): Promise<Outcome> {
  try {
    checkSizes(await readTensors(await read(bytes)), bytes.length);
    return "read";
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError || error instanceof WeightsError)
      return error.code;
    throw error;
  }
}

function checkSizes({ tensors }: Weights<Tensor>, size: number): void {
  const memory = new Set<ArrayBufferLike>();
  for (const { shape, data } of tensors.values()) {
    if (data.length !== sizeOf(shape)) throw new Error(`a tensor of shape [${shape.join()}] holds ${data.length}`);
    memory.add(data.buffer);
  }
  const taken = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (taken > 2 * size + ALLOWANCE) throw new Error(`${taken} bytes out of a file of ${size}`);
}
