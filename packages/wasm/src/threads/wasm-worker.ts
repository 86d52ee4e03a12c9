/** The worker's code. */
import type { FromThread, Port, ToThread } from "./protocol.ts";
import { serve } from "./serve.ts";
import { workerThreads } from "./worker-threads.ts";

/** The part of a web worker's global scope that Residual uses; the package is checked without the DOM's types. */
interface WorkerScope {
  onmessage: (event: { readonly data: ToThread }) => void;
  postMessage(message: FromThread, transfer: readonly ArrayBuffer[]): void;
}
declare const self: WorkerScope;

function portOf(): Port {
  const parent = workerThreads()?.parentPort;
  if (parent) {
    return {
      post: (message, transfer) => parent.postMessage(message, transfer),
      onMessage: (receive) => parent.on("message", receive),
    };
  }
  return {
    post: (message, transfer) => self.postMessage(message, transfer),
    onMessage(receive) {
      self.onmessage = ({ data }) => receive(data);
    },
  };
}

serve(portOf());
