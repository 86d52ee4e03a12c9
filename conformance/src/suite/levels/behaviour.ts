import { throwIfAborted } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { answers } from "../behaviour/answers.ts";
import { life } from "../behaviour/life.ts";
import { refusals } from "../behaviour/refusals.ts";
import { type Behaviour, inWords, Misbehaviour, subjectOf } from "../behaviour/subject.ts";
import { variables } from "../behaviour/variables.ts";
import { type BackendUnderTest, counted, type Task } from "../task.ts";

/** Checks of a backend's behaviour, independent of the network. */
export const behaviourTasks: readonly Task[] = Object.entries({ answers, life, refusals, variables }).map(
  ([name, behaviours]) => ({
    level: "behaviour",
    name,
    run: (held) => counted(checksOf(held, behaviours), Object.keys(behaviours).length, held),
  }),
);

async function* checksOf(
  { backend, work }: BackendUnderTest,
  behaviours: { readonly [name: string]: Behaviour },
): AsyncGenerator<Check> {
  const subject = subjectOf(backend);
  for (const [name, behave] of Object.entries(behaviours)) {
    throwIfAborted(work.signal);
    yield await behave(subject).then(
      (what): Check => ({ name, passed: true, ...(typeof what === "string" && { what }) }),
      (error: unknown) => ({
        name,
        passed: false,
        message: error instanceof Misbehaviour ? error.message : inWords(error),
      }),
    );
  }
}
