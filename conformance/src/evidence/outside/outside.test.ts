import { everyTest } from "@residual/kit/testing/every-test";
import { wasm } from "@residual/wasm";
import { describe, expect, it } from "vitest";
import { backends } from "../../testing/backends.ts";
import { holdFloat32, holdReference } from "./hold.ts";
import { page } from "./page.ts";
import type { Recorded } from "./request.ts";
import { allVectors, type ExpressedVector, isListed, largest, missing, opsOf, sorted } from "./vectors.ts";

if (missing) console.warn(`SKIPPED: other people's test vectors; ${missing} is missing`);

const vectors = allVectors().map(sorted);
const listed = vectors.filter(isListed);
const expressed = vectors.filter((vector): vector is ExpressedVector => !isListed(vector));

/** Two vectors have 36 million equal numbers each. They take about 15 s. */
const LARGE = 1e7;
const large = expressed.filter((vector) => largest(vector) > LARGE);
const groups = [
  ...Map.groupBy(
    expressed.filter((vector) => !large.includes(vector)),
    ({ suite, operator }) => `${suite}, ${operator}`,
  ),
];

const holders = {
  reference: (calls: readonly Recorded[]) => holdReference(backends.reference!, calls),
  onnx: (calls: readonly Recorded[]) => holdFloat32(backends.onnx!, calls),
  wasm: (calls: readonly Recorded[]) => holdFloat32(wasm({ threads: 1, winograd: false }), calls),
};

/** The answers over their bound, one message each. */
async function failures(hold: (typeof holders)["onnx"], members: readonly ExpressedVector[]): Promise<string[]> {
  const calls = members.flatMap((vector) => vector.calls.map((call) => ({ name: vector.name, call })));
  const results = await hold(calls.map(({ call }) => call));
  const named = results.map((result, i) => ({ ...result, name: calls[i]!.name }));
  return named.filter(({ share }) => !(share <= 1)).map(({ name, message }) => `${name}: ${message}`);
}

describe.skipIf(missing)("other people's test vectors", () => {
  it("are each held or listed", () => {
    const counts = [...Map.groupBy(vectors, ({ suite }) => suite)].map(([suite, members]) => {
      const count = members.filter(isListed).length;
      return { suite, vectors: members.length, held: members.length - count, listed: count };
    });
    expect(counts).toEqual([
      { suite: "onnx/node", vectors: 81, held: 70, listed: 11 },
      { suite: "onnx/pytorch-converted", vectors: 11, held: 11, listed: 0 },
      { suite: "onnx/pytorch-operator", vectors: 4, held: 3, listed: 1 },
      { suite: "webnn/baseline", vectors: 249, held: 190, listed: 59 },
      { suite: "webnn/wpt", vectors: 498, held: 451, listed: 47 },
    ]);
  });

  it("are not held by a graph without an op", () => {
    expect(expressed.filter((vector) => opsOf(vector).length === 0)).toEqual([]);
  });

  it.each(listed.map((vector) => [`${vector.suite}, ${vector.name}`, vector.refusal] as const))(
    "%s is listed for a reason that still holds",
    (_, { because, holds }) => {
      expect(holds(), because).toBe(true);
    },
  );

  it("are as docs/outside-vectors.md says", async () => {
    await expect(page(vectors)).toMatchFileSnapshot("../../../../docs/outside-vectors.md");
  });
});

describe.skipIf(missing).each(Object.entries(holders))("%s gives the recorded answers", (_, hold) => {
  it.each(groups)("of %s", async (_group, members) => {
    expect(await failures(hold, members)).toEqual([]);
  });

  it.skipIf(!everyTest).each(large.map((vector) => [vector.name, vector] as const))("of %s", async (_name, vector) => {
    expect(await failures(hold, [vector])).toEqual([]);
  });
});
