import { type Kernel, plain } from "./kernel.ts";

const row = /* wgsl */ `
  let start = i - i % p.classes;
  var largest = x[start];
  for (var k = 1u; k < p.classes; k++) { largest = larger(largest, x[start + k]); }
  var sum = 0.0;
  for (var k = 0u; k < p.classes; k++) { sum += exp(x[start + k] - largest); }`;

/** Each invocation works out the whole of its row: there are a thousand classes, and few rows. */
export const softmax: Kernel = plain({
  name: "softmax",
  buffers: ["x", "y"],
  params: ["classes"],
  code: `${row}\n  y[i] = exp(x[i] - largest) / sum;`,
});

export const logSoftmax: Kernel = plain({
  name: "logSoftmax",
  buffers: ["x", "y"],
  params: ["classes"],
  code: `${row}\n  y[i] = x[i] - largest - log(sum);`,
});
