import { readFileSync } from "node:fs";
import {
  type AnyNode,
  differentiate,
  graph,
  input,
  ops,
  type Pads,
  type Tensor,
  tensorOf,
  type Value,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import type { WebgpuBackend } from "../index.ts";

/** A case of conformance/golden/ops: tensors by PyTorch's names. */
interface OpGolden {
  readonly id: string;
  readonly op: string;
  readonly file: string;
  readonly attrs: Attributes;
  readonly inputs: { readonly [name: string]: { readonly tensor: string } };
  readonly outputs: { readonly [name: string]: { readonly tensor: string } };
}

interface Attributes {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pads: Pads;
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly epsilon: number;
}

/** The op of each kind of case. */
const kinds: { readonly [kind: string]: (inputs: { [name: string]: Value }, attributes: Attributes) => AnyNode } = {
  conv2d_grad: ({ x, w, b }, { stride, pads, dilation, groups }) =>
    ops.conv2d({ x: x!, weight: w!, bias: b }, { stride, padding: pads, dilation, groups }),
  batch_norm_train({ x, gamma, beta }, { epsilon }) {
    const mean = ops.batchMean({ x: x! });
    const variance = ops.batchVariance({ x: x!, mean });
    return ops.batchNorm({ x: x!, scale: gamma!, shift: beta!, mean, variance }, { epsilon });
  },
  max_pool2d_grad: ({ x }, { kernel, stride, pads }) =>
    ops.maxPool2d({ x: x! }, { window: kernel, stride, padding: pads }),
  relu_grad: ({ x }) => ops.relu({ x: x! }),
  global_avg_pool_grad: ({ x }) => ops.globalAveragePool({ x: x! }),
  linear_grad: ({ x, w, b }) => ops.linear({ x: x!, weight: w!, bias: b }),
};

/** PyTorch's name for the gradient of each input. */
const gradients: { readonly [input: string]: string } = { x: "dx", w: "dw", b: "db", gamma: "dgamma", beta: "dbeta" };

const folder = new URL("../../../../conformance/golden/ops/", import.meta.url);

function goldens(): readonly OpGolden[] {
  const { cases } = JSON.parse(readFileSync(new URL("index.json", folder), "utf8")) as { cases: readonly OpGolden[] };
  return cases.filter(({ op }) => op in kinds);
}

/** Reads a safetensors file of F32 and F64 tensors. */
function tensorsIn(file: string): (name: string) => Tensor<"float32"> {
  const bytes = readFileSync(new URL(file, folder));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const entries = JSON.parse(bytes.toString("utf8", 8, start)) as {
    [name: string]: { dtype: "F32" | "F64"; shape: number[]; data_offsets: [number, number] };
  };
  return (name) => {
    const { dtype, shape, data_offsets } = entries[name]!;
    const { buffer } = Uint8Array.from(bytes.subarray(start + data_offsets[0], start + data_offsets[1]));
    const data = dtype === "F64" ? Float32Array.from(new Float64Array(buffer)) : new Float32Array(buffer);
    return tensorOf("float32", shape, data);
  };
}

/** Roundings, in units of the largest number, that the sums of the cases may be off by: they have up to 130 terms. */
const ROUNDINGS = 64;

/** The norm of two values is −1 and 1, however far apart they are: its gradient is what is left of cancelled terms. */
const CANCELS = { id: "bn_train_two_values", roundings: 512 };

/** Tests a backend's gradients of single ops against PyTorch's. */
export function agreesWithPytorch(name: string, backend: WebgpuBackend): void {
  describe(`PyTorch's gradients: ${name}`, () => {
    it.each(goldens().map((golden) => [golden.id, golden] as const))("%s", async (_, golden) => {
      const read = tensorsIn(golden.file);
      const names = Object.keys(golden.inputs).filter((each) => each in gradients);
      const given = Object.fromEntries(names.map((each) => [each, read(golden.inputs[each]!.tensor)]));
      const inputs = Object.fromEntries(Object.entries(given).map(([each, { shape }]) => [each, input(each, shape)]));
      const y = kinds[golden.op]!(inputs, golden.attrs);
      const forward = graph({ name: golden.id, inputs, outputs: { y } });
      const of = differentiate(forward, { of: "y", by: names, seed: "dy" });
      await using executable = await backend.compile(of);
      const found = await executable.run({ ...given, dy: read(golden.inputs.dy!.tensor) });
      const expected = names.map((each) => [`${each}.gradient`, golden.outputs[gradients[each]!]!.tensor] as const);
      const roundings = golden.id === CANCELS.id ? CANCELS.roundings : ROUNDINGS;
      for (const [output, tensor] of [["y", golden.outputs.y!.tensor] as const, ...expected]) {
        const { data } = read(tensor);
        const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const error = data.reduce((most, value, i) => Math.max(most, Math.abs(value - found[output]!.data[i]!)), 0);
        expect(error / largest, output).toBeLessThan(roundings * 2 ** -24);
      }
    });
  });
}
