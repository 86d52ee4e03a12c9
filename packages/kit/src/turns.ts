/** Milliseconds that long work holds a thread. */
const SLICE = 12;

/** Returns a function that long work calls often: it yields to the event loop once a time slice is over. */
export function timeSlices(): () => Promise<void> {
  let end = performance.now() + SLICE;
  return async () => {
    if (performance.now() < end) return;
    await nextTurn();
    end = performance.now() + SLICE;
  };
}

/** One turn of the event loop. Browsers stretch timers to 4 ms, and Node its messages, so each gets the other's. */
export function nextTurn(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => void };
  return new Promise((resolve) => {
    if (setImmediate) return setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    const come = () => {
      port1.close();
      resolve();
    };
    Object.assign(port1, { onmessage: come });
    port2.postMessage(undefined);
  });
}
