import type { BackendDescription, Trait } from "@residual/core";

/** Each harder to pass than the one before. */
export const levels = ["ops", "nodes", "models", "images", "behaviour"] as const;

export type Level = (typeof levels)[number];

/** The element that is furthest from its bound. */
export interface Worst {
  /** By axis. */
  readonly index: readonly number[];
  readonly expected: number;
  readonly found: number;
  readonly bound: number;
}

/** One check of a backend. */
export interface Check {
  /** Unique in its section: a node's name, a case's, a stage's. */
  readonly name: string;
  readonly passed: boolean;
  readonly op?: string;
  /**
   * The largest error over its bound, at most 1 where it conforms; infinite where there is no number. None for what is
   * yes or no.
   */
  readonly share?: number;
  /**
   * What was computed, with its inputs' shapes and attributes: `conv2d(x 1×16×32×32, …, stride [1,1]) -> 1×16×32×32`.
   */
  readonly what?: string;
  readonly worst?: Worst;
  /** Why it failed, in a line. */
  readonly message?: string;
  /** Traits that would make a backend fail this check. */
  readonly shows?: readonly Trait[];
  /** The declared trait that excuses this check, or that nothing shows any more. */
  readonly trait?: Trait;
  /** The reason that the backend gives for the trait. */
  readonly because?: string;
}

/** Checks that belong together: one model's nodes, say, or the cases of one op. */
export interface Section {
  readonly level: Level;
  /** A model's name, an op's, or a group of checks'. */
  readonly name: string;
  /** The variation of the model: `optimized`, `1×3×64×64`. */
  readonly variant?: string;
  readonly milliseconds: number;
  /** In the order in which they ran: the first failing node is the one at fault. */
  readonly checks: readonly Check[];
  /** Why there are no checks, if there are none. */
  readonly skipped?: string;
}

/** The conformance of a backend. */
export interface Report {
  readonly backend: BackendDescription & { readonly name: string };
  readonly level: "quick" | "full";
  readonly environment: Environment;
  /** ISO 8601. */
  readonly started: string;
  readonly milliseconds: number;
  /** Whether the run is complete, every check passed, and there was at least one. */
  readonly passed: boolean;
  /** Sections that were still to run when this report was made, where there were any. */
  readonly remaining?: number;
  readonly sections: readonly Section[];
}

/** Where it ran. */
export interface Environment {
  /** `Node 24.21.0`, `Deno 2.9.6`, `Bun 1.4.5`, or a browser's user agent. */
  readonly runtime: string;
  /** `linux x64`. */
  readonly platform: string;
  readonly cpu?: string;
  readonly cores?: number;
  /** In GiB. */
  readonly memory?: number;
  /** Those that decide how numbers are rounded or summed: `avx2`, `fma`, `avx512f`, … */
  readonly cpuFlags?: readonly string[];
  /** Versions of the software: `@residual/conformance` and the runtime's libraries. */
  readonly versions: { readonly [name: string]: string };
}
