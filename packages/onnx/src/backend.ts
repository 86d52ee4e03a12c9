import {
  type Answer,
  type Backend,
  checkInputs,
  type Executable,
  type Graph,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
} from "@residual/core";
import { checkBound } from "./lower.ts";
import type { Runtime, Session } from "./session.ts";

/** The backend of a runtime. Making it starts nothing. */
export function backendOn(name: string, runtime: Runtime): Backend {
  return {
    name,
    describe: async () => ({ ...(await runtime.describe()), dtypes: ["float32"] }),
    async compile(graph, work = {}) {
      throwIfAborted(work.signal);
      checkBound(graph); // before there is a thread to end
      work.onProgress?.({ stage: "load", done: 0, total: 1 });
      const session = await runtime.load(graph, work);
      work.onProgress?.({ stage: "load", done: 1, total: 1 });
      return executableOf(graph, session);
    },
  };
}

/** The executable of a loaded graph, of which only the inputs are looked at. */
export function executableOf<In extends string, Out extends string>(
  graph: Graph<In, Out>,
  session: Session,
): Executable<In, Out> {
  let disposed = false;
  const dispose = () => {
    disposed = true;
    return session.close();
  };
  return {
    async run(inputs, { signal } = {}) {
      if (disposed) throw new UnsupportedError("onnx: run after dispose; compile the graph again");
      const batch = checkInputs(graph, inputs);
      throwIfAborted(signal);
      const outputs = await session.run(inputs, { batch, signal });
      const answers = Object.entries(outputs).map(
        ([name, { shape, data }]) => [name, tensorOf("float32", shape, data)] as const,
      );
      return Object.fromEntries(answers) as { [K in Out]: Answer };
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
