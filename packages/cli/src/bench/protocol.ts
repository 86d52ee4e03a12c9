/** What one process of a benchmark measures: a backend of ours, or a peer on the same network. */
export interface Task {
  readonly candidate: string;
  readonly model: string;
  /** The network's weights as .safetensors, which our backends load, and as .onnx, which peers do. */
  readonly files: { readonly safetensors: string; readonly onnx: string };
  readonly input: readonly number[];
  readonly threads: number | undefined;
}

/** From the parent: load, then runs in turn with the other candidates, then the end. */
export type Order = { readonly do: "load" } | { readonly do: "run"; readonly times: number } | { readonly do: "end" };

/** Milliseconds of wall time and of all threads' CPU time. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

export type Answer =
  | { readonly kind: "loaded"; readonly load: Cost; readonly first: Cost; readonly logits: readonly number[] }
  | { readonly kind: "ran"; readonly costs: readonly Cost[] }
  | { readonly kind: "ended"; readonly peakMemory: number }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };
