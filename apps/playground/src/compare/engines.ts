import type { BackendName } from "@residual/pipeline";
import { comparedBackends } from "../network/backends.ts";

/** A backend as the room shows it before anything of it is fetched. */
export interface Engine {
  readonly name: EngineName;
  readonly backend: BackendName;
  readonly words: string;
  readonly runsOn: "CPU" | "GPU";
  /** Bytes of the code that it fetches, compressed with gzip. */
  readonly bytes: number;
}

export type EngineName = (typeof comparedBackends)[number]["name"] | "broken";

export const engines: readonly Engine[] = comparedBackends.map((each) => ({ ...each, backend: each.name }));

/** The engine with a fault that is planted in it. */
export const broken: Engine = {
  ...engines.find(({ name }) => name === "wasm")!,
  name: "broken",
  words: "wasm, with a fault planted in it",
};
