import { graph, input, ops, parameter, type Tensor, tensorOf } from "@residual/core";
import { type Behaviour, expectRefusal, expectThat, type Subject, sameBits } from "./subject.ts";

type Inputs = { readonly [name: string]: Tensor };

/** Invalid inputs, by their fault. */
const wrong: { readonly [what: string]: (image: Tensor<"float32">) => Inputs } = {
  "no input": () => ({}),
  "a wrong name": (picture) => ({ picture }),
  "an input too many": (image) => ({ image, other: image }),
  "a wrong size": () => ({ image: tensorOf("float32", [1, 3, 31, 32], new Float32Array(3 * 31 * 32)) }),
  "a wrong number of channels": () => ({ image: tensorOf("float32", [1, 1, 32, 32], new Float32Array(1024)) }),
  "a wrong rank": () => ({ image: tensorOf("float32", [3, 32, 32], new Float32Array(3072)) }),
  "an empty batch": () => ({ image: tensorOf("float32", [0, 3, 32, 32], new Float32Array(0)) }),
  "a wrong dtype": () => ({ image: tensorOf("float64", [1, 3, 32, 32], new Float64Array(3072)) }),
  bytes: () => ({ image: tensorOf("uint8", [1, 3, 32, 32], new Uint8Array(3072)) }),
  "float32 in name only": () => ({
    image: { dtype: "float32", shape: [1, 3, 32, 32], data: new Float64Array(3072) } as never,
  }),
  "fewer numbers than its shape": () => ({
    image: { dtype: "float32", shape: [1, 3, 32, 32], data: new Float32Array(3071) },
  }),
  "a detached buffer": () => ({ image: detached() }),
};

function detached(): Tensor<"float32"> {
  const data = new Float32Array(3072);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  return { dtype: "float32", shape: [1, 3, 32, 32], data };
}

/** The backend throws a typed error, and the executable still works. */
function refuses(what: string, make: (image: Tensor<"float32">) => Inputs): Behaviour {
  return async ({ compile, image }: Subject) => {
    await using executable = await compile();
    const expected = (await executable.run({ image: image("a") })).logits;
    const inputs = make(image("a")) as { image: Tensor<"float32"> };
    await expectRefusal(async () => executable.run(inputs), what);
    const after = (await executable.run({ image: image("a") })).logits;
    expectThat(sameBits(expected, after), `the run after ${what} has another answer`);
  };
}

const openParameters: Behaviour = async ({ backend }) => {
  const x = input("x", [1, 2]);
  const y = ops.linear({ x, weight: parameter("fc.weight", [2, 2]) });
  await expectRefusal(
    () => backend.compile(graph({ name: "open", inputs: { x }, outputs: { y } })),
    "a graph with an open parameter",
  );
};

export const refusals: { readonly [name: string]: Behaviour } = {
  ...Object.fromEntries(Object.entries(wrong).map(([what, make]) => [`refuses ${what}`, refuses(what, make)])),
  "refuses open parameters": openParameters,
};
