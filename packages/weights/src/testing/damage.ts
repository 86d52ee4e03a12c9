import { FormatError, sizeOf, type Tensor, UnsupportedError, WeightsError } from "@residual/core";
import { readWeights } from "../read-weights.ts";
import { readTensors, type Weights } from "../weights.ts";
import { join } from "./bytes.ts";
import { pick, type Random, randomFrom } from "./random.ts";

/** Damaged files of one format: each call makes another. */
export type Damage = (random: Random) => Uint8Array;

/** Fields as damaged and hostile files have them, in bits. */
const hostileFields = [0n, 1n, 2n ** 16n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/**
 * Damage that a file of any format can take: flipped bits, other numbers in its fields, an end too early, a part of it
 * moved. `isData` says which bytes are numbers of tensors, which any bits are.
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
    // a place in the file, where another is expected: loops, overlaps
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

/** In bytes: what reading may take beyond the file's own size. */
const ALLOWANCE = 16 << 20;
/** In microseconds of processor time, since other processes run too. */
const LONGEST = 1_000_000;

/**
 * Reads `count` damaged files. Throws where one is neither read nor refused by a typed error, gives a tensor of a wrong
 * size or more numbers than its size allows, or takes over a second; the message holds the file. Answers how often
 * which happened.
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
