/** The reason for stopping a command, as its signal's reason. */
export class Stop extends Error {
  /** The exit code of a shell for a process ended by a signal: 128 plus the signal's number. */
  readonly exitCode: number;

  constructor(by: string, exitCode: number) {
    super(`stopped by ${by}`);
    this.exitCode = exitCode;
  }
}

const stops = [
  { signal: "SIGINT", by: "Ctrl-C", exitCode: 130 },
  { signal: "SIGTERM", by: "SIGTERM", exitCode: 143 },
  { signal: "SIGHUP", by: "SIGHUP", exitCode: 129 }, // the terminal was closed
] as const;

/** The first Ctrl-C aborts the signal, so that the work ends and cleans up; the second ends the process at once. */
export function stopper(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const listeners = stops.map(({ signal, by, exitCode }) => {
    const stop = () => (controller.signal.aborted ? process.exit(exitCode) : controller.abort(new Stop(by, exitCode)));
    process.on(signal, stop);
    return () => process.removeListener(signal, stop);
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const remove of listeners) remove();
    },
  };
}
