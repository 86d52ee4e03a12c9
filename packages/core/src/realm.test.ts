/** Arrays and tensors of another realm: Jest runs tests in one, a frame of a page is one. */
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import {
  bind,
  graph,
  input,
  type NamedSource,
  ops,
  parameter,
  readRows,
  reference,
  tensor,
  tensorOf,
} from "./index.ts";
import { backendOf, type LoadedGraph } from "./shell.ts";

const foreign = <T>(code: string): T => runInNewContext(code) as T;

const x = input("x", ["N", 1, 1, 2]);
const net = graph({ name: "net", inputs: { x }, outputs: { y: ops.relu({ x }) } });

/** Answers with its inputs, and keeps them. */
async function echo(overlaps: boolean) {
  const seen: Float32Array[] = [];
  const loaded: LoadedGraph<"float32"> = {
    async run({ x }) {
      seen.push(x!.data);
      return { y: x! };
    },
    dispose: async () => {},
  };
  const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: ["float32"] as const });
  const backend = backendOf({ name: "echo", describe, load: async () => loaded, overlaps });
  return { executable: await backend.compile(net), seen };
}

describe("an input of another realm", () => {
  const image = () =>
    foreign<ReturnType<typeof tensor>>(
      `({ dtype: "float32", shape: [1, 1, 1, 2], data: new Float32Array([9, -1, 2]).subarray(1) })`,
    );

  it("is taken by the reference", async () => {
    await using executable = await reference.compile(net);
    expect([...(await executable.run({ x: image() })).y.data]).toEqual([0, 2]);
    const inputs = foreign<{ x: ReturnType<typeof tensor> }>(
      `({ x: { dtype: "float32", shape: [1, 1, 1, 2], data: Float32Array.of(-1, 2) } })`,
    );
    expect([...(await executable.run(inputs)).y.data]).toEqual([0, 2]);
  });

  it.each([true, false])("reaches a runtime as an array of its own realm (overlapping runs: %s)", async (overlaps) => {
    const { executable, seen } = await echo(overlaps);
    await executable.run({ x: image() });
    expect(seen[0]).toBeInstanceOf(Float32Array);
    expect([...seen[0]!]).toEqual([-1, 2]);
  });

  it("is refused where it is of another kind, in few words", async () => {
    const { executable } = await echo(true);
    const given = { dtype: "float32", shape: [1, 1, 1, 2], data: foreign("new Float64Array(2)") } as never;
    await expect(executable.run({ x: given })).rejects.toThrow("x has a Float64Array as its data; expected a");
  });

  it("is stopped by a signal of that realm", async () => {
    const signal = foreign<never>(
      `({ aborted: true, reason: "why", addEventListener() {}, removeEventListener() {} })`,
    );
    const { executable } = await echo(true);
    await expect(executable.run({ x: image() }, { signal })).rejects.toMatchObject({
      code: "AbortError",
      cause: "why",
    });
  });
});

describe("weights of another realm", () => {
  const weight = parameter("w", [1, 2]);
  const y = ops.linear({ x: ops.flatten({ x }), weight });
  const open = graph({ name: "net", inputs: { x }, outputs: { y } });
  const bound = (code: string) => bind(open, { tensors: new Map([["w", foreign<NamedSource>(code)]]) });

  it.each(["Float32Array", "Float64Array"])("are bound: %s", async (kind) => {
    const dtype = kind.slice(0, -5).toLowerCase();
    const graph = bound(`({ dtype: "${dtype}", shape: [1, 2], data: ${kind}.of(3, 4) })`);
    const { source } = graph.outputs.y.kind === "node" ? (graph.outputs.y.inputs.weight as never) : ({} as never);
    const { data } = source as { data: unknown };
    expect(data instanceof Float32Array || data instanceof Float64Array).toBe(true);
    await using executable = await reference.compile(graph);
    expect([...(await executable.run({ x: tensor([1, 1, 1, 2], [1, 1]) })).y.data]).toEqual([7]);
  });

  it.each([
    [`({ dtype: "float32", shape: [1, 2], data: Float64Array.of(3, 4) })`],
    [`({ dtype: "float32", shape: [1, 2], data: Float32Array.of(3) })`],
    [`({ dtype: "float32", shape: [1, 2], data: [3, 4] })`],
    [`({ dtype: "float32", shape: [1, 2], data: null })`],
  ])("are refused where their data are not what they say: %s", (code) => {
    expect(() => bound(code)).toThrow("w is damaged: its data do not hold the float32 numbers of its shape");
  });
});

it("a tensor is made of an array of another realm, and of no other kind", () => {
  const made = tensorOf("float32", [2], foreign<Float32Array>("Float32Array.of(1, 2)"));
  expect(made.data).toBeInstanceOf(Float32Array);
  for (const data of [Float64Array.of(1, 2), [1, 2], "12", null, foreign("Int32Array.of(1, 2)")])
    expect((): unknown => Reflect.apply(tensorOf, undefined, ["float32", [2], data])).toThrow(
      "float32 numbers are in ",
    );
});

it("rows are read into an array of another realm, rounded once", async () => {
  const into = foreign<Float64Array>("new Float64Array(2)");
  await readRows(tensorOf("float64", [2], Float64Array.of(1 / 3, 2 / 3)), into);
  expect([...into]).toEqual([1 / 3, 2 / 3]);
});
