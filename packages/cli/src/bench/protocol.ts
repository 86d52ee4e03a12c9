/** The candidate of a benchmark process: a backend of Residual, or a peer on the same network. */
export interface Task {
  readonly candidate: string;
  readonly model: string;
  /** The network's weights as .safetensors, for our backends, and as .onnx, for peers. */
  readonly files: { readonly safetensors: string; readonly onnx: string };
  readonly input: readonly number[];
  readonly threads: number | undefined;
}

/** Orders of the parent: load, then runs in turn with the other candidates, then end. */
export type Order = { readonly do: "load" } | { readonly do: "run"; readonly times: number } | { readonly do: "end" };

/** Milliseconds of wall time and of all threads' CPU time. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

export type BenchReply =
  | { readonly kind: "loaded"; readonly load: Cost; readonly first: Cost; readonly logits: readonly number[] }
  | { readonly kind: "ran"; readonly costs: readonly Cost[] }
  | { readonly kind: "ended"; readonly peakMemory: number }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };
