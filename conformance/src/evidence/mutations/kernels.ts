import { type AttributesOf, type OpName, sizeOf, type Tensor, tensorOf } from "@residual/core";
import { type Inputs, type Kernel, plain } from "./float32-backend.ts";

/** A kernel that gets other inputs or attributes than those of its node. */
export function misled<Name extends OpName>(
  op: Name,
  mislead: (
    inputs: Inputs,
    attributes: AttributesOf<Name>,
    shape: readonly number[],
  ) => { inputs?: Inputs; attributes?: object },
): Kernel {
  return (inputs, attributes, shape) => {
    const other = mislead(inputs, attributes, shape);
    return plain(op)(
      { ...inputs, ...other.inputs },
      { ...(attributes as object), ...other.attributes } as never,
      shape,
    );
  };
}

/** A kernel whose answer is changed afterwards. */
export function spoilt<Name extends OpName>(
  op: Name,
  spoil: (y: Float32Array, shape: readonly number[], inputs: Inputs, attributes: AttributesOf<Name>) => void,
): Kernel {
  return (inputs, attributes, shape) => {
    const y = plain(op)(inputs, attributes, shape);
    spoil(y, shape, inputs, attributes);
    return y;
  };
}

/** A kernel that ignores one of its inputs. */
export function lacking(op: OpName, input: string): Kernel {
  return (inputs, attributes, shape) => {
    const rest = Object.entries(inputs).filter(([name]) => name !== input);
    return plain(op)(Object.fromEntries(rest), attributes, shape);
  };
}

/** A kernel that computes each element from x alone. */
export function pointwise(compute: (x: number) => number): Kernel {
  return ({ x }) => x!.data.map(compute);
}

export function mapped(tensor: Tensor<"float32">, change: (value: number, i: number) => number): Tensor<"float32"> {
  return tensorOf("float32", tensor.shape, tensor.data.map(change));
}

/** The same numbers with their first two axes exchanged in place: [O, I, …] read as [I, O, …], where O = I. */
export function transposed(weight: Tensor<"float32">): Tensor<"float32"> {
  const [outputs, inputs, ...window] = weight.shape as [number, number, ...number[]];
  if (outputs !== inputs) return weight;
  const taps = sizeOf(window);
  return mapped(weight, (_, i) => {
    const [o, k, t] = [Math.floor(i / (inputs * taps)), Math.floor(i / taps) % inputs, i % taps];
    return weight.data[(k * inputs + o) * taps + t]!;
  });
}

/** Rounds to `bits` bits of mantissa, including the leading bit: 11 for float16 and TF32, 8 for bfloat16. */
export function toBits(bits: number): (value: number) => number {
  return (value) => {
    if (value === 0 || !Number.isFinite(value)) return value;
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - bits + 1);
    return Math.round(value / unit) * unit;
  };
}

/** A convolution that adds its products one after the other. `round` rounds each sum. */
export function summing(round: (value: number) => number): Kernel {
  return ({ x, weight, bias }, attributes, [n = 0, o = 0, oh = 0, ow = 0]) => {
    const { stride, padding, dilation, groups } = attributes as AttributesOf<"conv2d">;
    const [, perGroup, kh, kw] = weight!.shape as [number, number, number, number];
    const [, c, h, w] = x!.shape as [number, number, number, number];
    const y = new Float32Array(n * o * oh * ow);
    for (let i = 0; i < y.length; i++) {
      const [image, out, row, column] = [
        Math.floor(i / (o * oh * ow)),
        Math.floor(i / (oh * ow)) % o,
        Math.floor(i / ow) % oh,
        i % ow,
      ];
      const first = Math.floor(out / (o / groups)) * perGroup;
      let sum = bias?.data[out] ?? 0;
      for (let k = 0; k < perGroup * kh * kw; k++) {
        const p = row * stride[0] - padding[0] + (Math.floor(k / kw) % kh) * dilation[0];
        const q = column * stride[1] - padding[1] + (k % kw) * dilation[1];
        if (p < 0 || q < 0 || p >= h || q >= w) continue;
        const at = ((image * c + first + Math.floor(k / (kh * kw))) * h + p) * w + q;
        sum = round(sum + x!.data[at]! * weight!.data[out * perGroup * kh * kw + k]!);
      }
      y[i] = sum;
    }
    return y;
  };
}
