import { OutOfMemoryError, type ResidualError, UnsupportedError } from "@residual/core";

/** Turns onnxruntime's error for a job into a ResidualError. */
export function refusal(message: string): ResidualError {
  const cause = new Error(message);
  const outOfMemory = /Failed to allocate memory|bad_alloc/i.test(message);
  if (outOfMemory) return new OutOfMemoryError(`onnx: ${message}; take a smaller batch`, { cause });
  return new UnsupportedError(`onnx: onnxruntime refused ${nodeIn(message)}: ${message}`, { cause });
}

/** onnxruntime names the node that failed: `… while running Conv node. Name:'layer1.0.conv1' …`. */
function nodeIn(message: string): string {
  const [, name] = /Name:'([^']*)'/.exec(message) ?? [];
  return name ? `node ${name}` : "the model";
}
