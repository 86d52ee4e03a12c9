import { BackendUnavailableError } from "@residual/core";
import { afterEach, expect, it, vi } from "vitest";
import { startThread, type ThreadSettings } from "./thread.ts";

afterEach(() => vi.unstubAllGlobals());

const settings: ThreadSettings = {
  device: "cpu",
  worker: undefined,
  options: {},
  threads: undefined,
  wasmPaths: undefined,
  warmUp: new Uint8Array(),
};

/** What startThread says of a worker that fails as given: an event without a message is a module that is not found. */
async function reasonFor(message: string | undefined): Promise<string> {
  class FailingWorker {
    addEventListener(type: string, listener: (event: object) => void): void {
      if (type === "error") queueMicrotask(() => listener({ message, preventDefault: () => {} }));
    }
    postMessage(): void {}
    terminate(): void {}
  }
  vi.stubGlobal("Worker", FailingWorker);
  const error: unknown = await startThread(settings).version.catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(BackendUnavailableError);
  return (error as Error).message;
}

it.each([undefined, ""])(
  "a worker whose module is not found (message %j) names the package to install",
  async (none) => {
    const [first] = (await reasonFor(none)).split("; "); // what `auto` says of a backend that it passed over
    expect(first).toContain("onnxruntime-web is missing (npm install onnxruntime-web)");
  },
);

it("a worker that says why it fails is quoted, and the package is named too", async () => {
  expect(await reasonFor("SyntaxError: x")).toMatch(
    /^onnx: the worker .* does not start \(SyntaxError: x\); .*npm install onnxruntime-web/,
  );
});
