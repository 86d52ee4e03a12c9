import { rmSync } from "node:fs";

const paths = new Set<string>();

/**
 * Removes a file or folder when the process exits, if it still exists and can be removed. Returns a function that
 * cancels the removal.
 */
export function removeAtExit(path: string): () => void {
  if (paths.size === 0) process.on("exit", sweep);
  paths.add(path);
  return () => {
    paths.delete(path);
    if (paths.size === 0) process.off("exit", sweep);
  };
}

function sweep(): void {
  for (const path of paths) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {} // an error here would hide the process's own
  }
}
