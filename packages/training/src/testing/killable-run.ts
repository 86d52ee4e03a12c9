// A run for tests that kill it: prints a line for each event. Arguments: the folder of the run.
import { fit } from "../index.ts";
import { tinyRun } from "./tiny.ts";

const [, , out] = process.argv;
await fit(
  tinyRun({
    out: out!,
    threads: 1,
    epochs: 3,
    checkpointEvery: { steps: 2 },
    onEvent: ({ kind }) => process.stdout.write(`${kind}\n`),
  }),
);
