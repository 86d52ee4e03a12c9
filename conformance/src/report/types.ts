import type { BackendDescription, Trait } from "@residual/core";

/** Each level is harder to pass than the level before. */
export const levels = ["ops", "nodes", "models", "images", "behaviour", "train"] as const;

export type Level = (typeof levels)[number];

/** The element that is furthest from its bound. */
export interface Worst {
  /** The index by axis. */
  readonly index: readonly number[];
  readonly expected: number;
  readonly found: number;
  readonly bound: number;
}

/** One check of a backend. */
export interface Check {
  /** Unique in its section: the name of a node, a case or a stage. */
  readonly name: string;
  readonly passed: boolean;
  readonly op?: string;
  /**
   * The largest error over its bound; a share of at most 1 conforms. Infinite if a number is missing. Absent if the
   * check only says yes or no.
   */
  readonly share?: number;
  /**
   * The computation, with its attributes and the shapes of its inputs:
   * `conv2d(x 1×16×32×32, …, stride [1,1]) -> 1×16×32×32`.
   */
  readonly what?: string;
  readonly worst?: Worst;
  /** The reason of the failure, in one line. */
  readonly message?: string;
  /** Traits that make a backend fail this check. */
  readonly shows?: readonly Trait[];
  /** The declared trait that excuses this check, or that no check shows any more. */
  readonly trait?: Trait;
  /** The backend's reason for the trait. */
  readonly because?: string;
}

/** Checks that belong together, such as one model's nodes or the cases of one op. */
export interface Section {
  readonly level: Level;
  /** The name of a model, an op, or a group of checks. */
  readonly name: string;
  /** The variation of the model: `optimized`, `1×3×64×64`. */
  readonly variant?: string;
  readonly milliseconds: number;
  /** The checks in the order in which they ran: the first failing node is at fault. */
  readonly checks: readonly Check[];
  /** The reason why there are no checks. */
  readonly skipped?: string;
}

/** The conformance of a backend. */
export interface Report {
  readonly backend: BackendDescription & { readonly name: string };
  readonly level: "quick" | "full";
  readonly environment: Environment;
  /** The start of the run in ISO 8601. */
  readonly started: string;
  readonly milliseconds: number;
  /** Whether the run is complete, has at least one check, and passed every check. */
  readonly passed: boolean;
  /** The number of sections that had not run yet when this report was made, if there were any. */
  readonly remaining?: number;
  readonly sections: readonly Section[];
}

/** The environment of a run. */
export interface Environment {
  /** `Node 24.21.0`, `Deno 2.9.6`, `Bun 1.4.5`, or a browser's user agent. */
  readonly runtime: string;
  /** `linux x64`. */
  readonly platform: string;
  readonly cpu?: string;
  readonly cores?: number;
  /** Memory in GiB. */
  readonly memory?: number;
  /** The CPU flags that decide how numbers are rounded or summed: `avx2`, `fma`, `avx512f`, … */
  readonly cpuFlags?: readonly string[];
  /** Versions of the software: `@residual/conformance` and the runtime's libraries. */
  readonly versions: { readonly [name: string]: string };
}
