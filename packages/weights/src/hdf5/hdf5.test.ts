import { readFile } from "node:fs/promises";
import { FormatError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";
import { Structures } from "./structures.ts";

const original = await readFile(new URL("../keras/fixtures/tf-weights.h5", import.meta.url));

/** The positions of a structure's signature in the file. */
function placesOf(signature: string): number[] {
  const places: number[] = [];
  for (let at = original.indexOf(signature); at >= 0; at = original.indexOf(signature, at + 1)) places.push(at);
  return places;
}

function patched(at: number, value: number): Uint8Array {
  const bytes = Buffer.from(original);
  bytes.writeBigUInt64LE(BigInt(value), at);
  return bytes;
}

/** The position of a message's data in the root's header, by the message's kind. The header begins at byte 96. */
function messageAt(kind: number): number {
  const end = 96 + 16 + original.readUInt32LE(96 + 8);
  for (let at = 96 + 16; at < end; at += 8 + original.readUInt16LE(at + 2))
    if (original.readUInt16LE(at) === kind) return at + 8;
  throw new Error(`the root has no message ${kind}`);
}

const [tree] = placesOf("TREE") as [number];
const nodes = placesOf("SNOD");

it("a dataset that lacks a chunk is a typed error, and no zeros", async () => {
  const chunked = await readFile(new URL("../keras/fixtures/storage.h5", import.meta.url));
  // the node of a chunk tree: signature, kind 1, level 0, number of entries
  const node = chunked.indexOf(Buffer.from("TREE\u0001\0"));
  const count = chunked.readUInt16LE(node + 6);
  expect(count).toBeGreaterThan(1);
  chunked.writeUInt16LE(count - 1, node + 6);
  await expect(readWeights(chunked)).rejects.toThrow(FormatError);
  await expect(readWeights(chunked)).rejects.toThrow(`a dataset has ${count - 1} of ${count} chunks`);
});

describe("structures that go round, or lie elsewhere, are typed errors", () => {
  it.each<[string, Uint8Array, RegExp]>([
    ["a tree that is its own child", patched(tree + 32, tree), /go round, or two share byte \d+/],
    [
      "two groups with one tree's leaf",
      patched(placesOf("TREE")[1]! + 32, nodes[0]!),
      /go round, or two share byte \d+/,
    ],
    ["an object header that goes on in itself", patched(messageAt(0x10), 96), /go round, or two share byte 96/],
    ["a tree behind the file's end", patched(tree + 32, original.length), /ends at byte \d+ of \d+/],
    [
      "a file of 2^40 bytes",
      patched(40, 2 ** 40),
      new RegExp(`has ${original.length} of ${2 ** 40} bytes: it is cut off`),
    ],
  ])("%s", async (_, bytes, message) => {
    const reading = readWeights(bytes);
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(message);
  });

  it("what is copied out of a file is bounded: one text of the heap may stand for many", () => {
    const refuse = (problem: string): never => {
      throw new FormatError(problem);
    };
    const file = { size: 1000 } as ConstructorParameters<typeof Structures>[0];
    const structures = new Structures(file, refuse);
    structures.spend(60_000);
    expect(() => structures.spend(60_000)).toThrow(/more often than a file of its size can need/);
  });
});
