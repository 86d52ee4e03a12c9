/** Milliseconds in which the device is asked at every turn of the event loop: as long as a run takes on a GPU. */
const AT_ONCE = 2;
/** Milliseconds between two questions, at most. */
const SELDOM = 4;

/** For how long what nobody waits for yet counts as waited for: it is asked for every two milliseconds from the start. */
const NOT_YET = 32;

/** When something was last begun. */
let begun = 0;

/**
 * Begins what is waited for. Dawn in Node asks the device whether it is done at every turn of the event loop, by `setImmediate`, and so keeps
 * a core busy for as long as anything is under way. On an adapter that runs on the CPU it takes that core from the work that it waits
 * for: a run of ResNet-18 on two cores takes 1.4 times as long, and 1.7 times the CPU time. So Dawn, which looks for `setImmediate`
 * each time, finds one that asks less and less often. Nobody else sees it: Dawn calls it before `begin` returns. Browsers have none.
 */
export function paced<T>(begin: () => T): T {
  begun = performance.now();
  return withOwnTurns(begin);
}

/** As `paced`, for what goes on while this thread has other work to do. */
export function pacedMeanwhile<T>(begin: () => T): T {
  begun = Math.max(begun, performance.now() - NOT_YET);
  return withOwnTurns(begin);
}

type Later = (tick: () => void) => unknown;

function withOwnTurns<T>(work: () => T): T {
  const { setImmediate } = globalThis as { setImmediate?: Later };
  if (!setImmediate) return work();
  const turn: Later = (tick) => {
    const again = () => withOwnTurns(tick); // it looks for the next turn by itself
    const elapsed = performance.now() - begun;
    if (elapsed < AT_ONCE) setImmediate(again);
    else setTimeout(again, Math.min(SELDOM, elapsed / 16));
  };
  Reflect.set(globalThis, "setImmediate", turn); // where it cannot be set, Dawn asks as often as it likes
  try {
    return work();
  } finally {
    Reflect.set(globalThis, "setImmediate", setImmediate);
  }
}
