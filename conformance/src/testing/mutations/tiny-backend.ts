import {
  type Answer,
  type Backend,
  type Executable,
  type Graph,
  mapValues,
  reference,
  tensorOf,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";

/** A backend of one's own, in a few lines: the reference's answers, rounded to float32. */
export const tiny: Backend = {
  name: "tiny",
  describe: async () => ({ library: "none", version: "1.0.0", device: "cpu", dtypes: ["float32"] }),
  async compile<In extends string, Out extends string>(graph: Graph<In, Out>, options?: WorkOptions) {
    const exact = await reference.compile(graph, options);
    const executable: Executable<In, Out> = {
      async run(inputs, work) {
        const answers = await exact.run(inputs, work);
        throwIfAborted(work?.signal);
        return mapValues(answers, rounded) as { [K in Out]: Answer };
      },
      read: async (names, work) => mapValues(await exact.read(names, work), rounded),
      dispose: () => exact.dispose(),
      [Symbol.asyncDispose]: () => exact.dispose(),
    };
    return executable;
  },
};

function rounded({ shape, data }: Answer): Answer {
  return tensorOf("float32", shape, Float32Array.from(data));
}
