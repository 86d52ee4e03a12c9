import { isBrowser } from "@residual/kit/gpu";

/** Makes a queue check whether its work is done. */
export type Nudge = () => void;

interface Queue {
  submit(commands: readonly []): void;
  onSubmittedWorkDone(): Promise<unknown>;
}

/**
 * The longest time, in milliseconds, that an idle queue may take to answer. A slower queue gets nudges. A queue that
 * checks by itself takes less than 1 ms.
 */
const PROMPT = 20;

/**
 * The nudge for a browser's queue. Undefined if the queue checks by itself whether its work is done. Firefox's queue
 * checks every 100 ms, and whenever something is submitted (https://bugzilla.mozilla.org/show_bug.cgi?id=1870699). So
 * the idle queue is timed twice: the first time may end just before such a check, the second then starts just after it.
 * Deno's queue answers after 11 ms, with empty submits or without.
 */
export async function nudgeFor(queue: Queue): Promise<Nudge | undefined> {
  if (!isBrowser()) return undefined;
  const isPrompt = (await isAnsweredPromptly(queue)) && (await isAnsweredPromptly(queue));
  return isPrompt ? undefined : () => queue.submit([]);
}

async function isAnsweredPromptly(queue: Queue): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, PROMPT, false);
  });
  const answered = queue.onSubmittedWorkDone().then(
    () => true,
    () => true, // the device is lost, which other calls report
  );
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}

/** Limits of the pause between two nudges, in milliseconds. A pause is a sixteenth of the time waited so far. */
const PAUSE = { least: 1, most: 4 };

/** Nudges the device's queue until the work settles. An answer arrives at most one pause after the device has it. */
export function nudged<T>(work: Promise<T>, nudge: Nudge | undefined): Promise<T> {
  if (nudge) void nudgeUntilSettled(work, nudge);
  return work;
}

async function nudgeUntilSettled(work: Promise<unknown>, nudge: Nudge): Promise<void> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  work.then(settle, settle);
  const begun = performance.now();
  for (;;) {
    await pause(Math.min(PAUSE.most, Math.max(PAUSE.least, (performance.now() - begun) / 16)));
    if (isSettled) return;
    nudge();
  }
}

/** Waits. Browsers raise a timer's delay to 4 ms if a timer started it, so a message starts this one. */
async function pause(milliseconds: number): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  await new Promise((resolve) => {
    port1.addEventListener("message", resolve, { once: true });
    port1.start();
    port2.postMessage(undefined);
  });
  port1.close();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
