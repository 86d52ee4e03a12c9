import {
  type Backend,
  backendOf,
  type Graph,
  type LoadedGraph,
  mapValues,
  type Tensor,
  tensorOf,
  variablesOf,
} from "@residual/core";
import { copyOf } from "./model-proto.ts";
import type { RawTensors, Runtime, Session } from "./session.ts";

/** The backend of a runtime. Constructing it starts nothing. */
export function backendOn(name: string, runtime: Runtime): Backend<"float32"> {
  return backendOf({
    name,
    describe: async () => ({ ...(await runtime.describe()), dtypes: ["float32"] }),
    async load(graph, work) {
      work.onProgress?.({ stage: "load", done: 0, total: 1 });
      const session = await runtime.load(graph, work);
      work.onProgress?.({ stage: "load", done: 1, total: 1 });
      return loadedGraph(session, graph);
    },
    ...(runtime.warmUp && { warmUp: () => runtime.warmUp!() }),
    overlaps: true,
  });
}

/** A session with the interface that core's shell expects. Variables without an update are constants of the session. */
export function loadedGraph(session: Session, graph: Graph): LoadedGraph<"float32"> {
  const tensorsOf = (raw: RawTensors) => mapValues(raw, ({ shape, data }) => tensorOf("float32", shape, data));
  const updated = new Set(graph.updates.map(({ variable }) => variable.name));
  return {
    run: async (inputs, options) => tensorsOf(await session.run(inputs, options)),
    commit: () => session.commit(),
    async read(names) {
      const found: { [name: string]: Tensor<"float32"> } = tensorsOf(
        await session.read(names.filter((name) => updated.has(name))),
      );
      for (const { name, source } of variablesOf(graph)) {
        if (names.includes(name) && !updated.has(name)) found[name] = await copyOf(source);
      }
      return found;
    },
    dispose: () => session.close(),
  };
}
