import { expect, it } from "vitest";
import { trainingGolden, trainingGoldenIds } from "../goldens.ts";
import { AFTER_KINKS } from "./recorded-run.ts";

/** The largest errors of torch's own float32 runs, over all recorded cases and their later steps. */
it("the tolerances after kinks are torch's own errors, rounded up", async () => {
  const all = (await Promise.all(trainingGoldenIds.map((id) => trainingGolden(id)))).map(({ fp32 }) => fp32);
  const largest = {
    loss: Math.max(...all.flatMap(({ lossAbs }) => lossAbs.slice(1))),
    parameters: Math.max(...all.flatMap(({ paramMaxOverMax }) => paramMaxOverMax.map(({ worst }) => worst))),
    statistics: Math.max(...all.flatMap(({ bufferMaxOverMax }) => bufferMaxOverMax.map(({ worst }) => worst))),
    logits: Math.max(...all.map(({ evalLogitsRelToMax }) => evalLogitsRelToMax)),
  };
  for (const [what, error] of Object.entries(largest)) {
    const tolerance = AFTER_KINKS[what as keyof typeof AFTER_KINKS];
    expect(tolerance / error, what).toBeGreaterThanOrEqual(1);
    expect(tolerance / error, what).toBeLessThan(1.05);
  }
});
