import { expect, it } from "vitest";
import { PAGE } from "./engine.ts";
import { giveMemory, takeMemory } from "./memories.ts";

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

it.each([false, true])("gives a large memory to a large model, not to a small one; shared: %s", (isShared) => {
  const [small, large] = [takeMemory(PAGE, isShared), takeMemory(100 * PAGE, isShared)];
  giveMemory(small, isShared);
  giveMemory(large, isShared);
  expect(takeMemory(100 * PAGE, isShared)).toBe(large); // to grow the small one would leave both large
  giveMemory(large, isShared);
  expect(takeMemory(PAGE, isShared)).toBe(small);
  const other = takeMemory(PAGE, isShared);
  expect(other).not.toBe(large);
  expect(other.buffer.byteLength).toBe(PAGE);
});
