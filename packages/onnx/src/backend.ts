import { type Backend, backendOf, type LoadedGraph, mapValues, tensorOf } from "@residual/core";
import type { Runtime, Session } from "./session.ts";

/** The backend of a runtime. Making it starts nothing. */
export function backendOn(name: string, runtime: Runtime): Backend {
  return backendOf({
    name,
    describe: async () => ({ ...(await runtime.describe()), dtypes: ["float32"] }),
    async load(graph, work) {
      work.onProgress?.({ stage: "load", done: 0, total: 1 });
      const session = await runtime.load(graph, work);
      work.onProgress?.({ stage: "load", done: 1, total: 1 });
      return loadedGraph(session);
    },
    overlaps: true,
  });
}

/** A session as core's shell takes it. */
export function loadedGraph(session: Session): LoadedGraph {
  return {
    async run(inputs, options) {
      const answers = await session.run(inputs, options);
      return mapValues(answers, ({ shape, data }) => tensorOf("float32", shape, data));
    },
    dispose: () => session.close(),
  };
}
