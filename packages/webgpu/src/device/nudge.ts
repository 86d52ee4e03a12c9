import { isBrowser } from "@residual/kit/gpu";

/** Has a queue look whether its work is done. */
export type Nudge = () => void;

interface Queue {
  submit(commands: readonly []): void;
  onSubmittedWorkDone(): Promise<unknown>;
}

/** Milliseconds that an idle queue may take to answer. One that answers by itself takes less than one. */
const PROMPT = 20;

/**
 * How to have a browser's queue look whether its work is done; undefined where it answers by itself. Firefox looks
 * every 100 ms, and whenever something is submitted (https://bugzilla.mozilla.org/show_bug.cgi?id=1870699). So an idle
 * queue is asked, twice: the first question may come just before Firefox looks, the second comes just after. Deno
 * answers after 11 ms, with empty submits or without.
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
    () => true, // of a lost device, which other calls tell
  );
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}

/** Pauses between two nudges, in milliseconds: a sixteenth of the time waited so far. */
const PAUSE = { least: 1, most: 4 };

/** Work with a device, during which its queue is nudged. Answers come a pause after the device has them, at most. */
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

/** Browsers raise a timer's delay to 4 ms if a timer started it, and not if a message did. */
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
