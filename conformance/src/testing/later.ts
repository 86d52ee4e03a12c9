import { everyTest } from "@residual/kit/testing/every-test";

/** Sections that take too long for every run, to be left out; none in `pnpm test:all`. */
export const later = (...titles: readonly string[]): readonly string[] => (everyTest ? [] : titles);
