import { expect, it } from "vitest";
import { giveMemory, takeMemory } from "./memories.ts";

const PAGE = 65536;

it.each([false, true])(
  "gives out memory again that was given back, cleared and large enough; shared: %s",
  (isShared) => {
    const first = takeMemory(PAGE, isShared);
    new Uint8Array(first.buffer).fill(7);
    giveMemory(first, isShared);
    const other = takeMemory(PAGE, !isShared);
    expect(other).not.toBe(first);
    const again = takeMemory(3 * PAGE, isShared);
    expect(again).toBe(first);
    expect(again.buffer.byteLength).toBe(3 * PAGE);
    expect(new Uint8Array(again.buffer).every((byte) => byte === 0)).toBe(true);
    expect(takeMemory(PAGE, isShared)).not.toBe(first);
  },
);
