/**
 * How long runs on WebGPU take in Firefox: of ResNet-20, whose work is short against Firefox's own pauses.
 *
 *   node --conditions=@residual/source scripts/firefox-runs.ts [FIREFOX]     firefox-esr where not given
 *
 * Prints the quartiles of 40 runs in milliseconds, and of the time that a run may have lost by waiting: Firefox sees
 * that work is done when something is submitted, so the loss is less than the time between the last two submits. On
 * Linux WebGPU has to be turned on, which the profile made here does. Firefox takes the adapter that VK_ICD_FILENAMES
 * names.
 */
import { inFirefox } from "./firefox.ts";

const page = `
  import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
  import { webgpu } from "@residual/webgpu";
  const { submit } = GPUQueue.prototype;
  let submits = [];
  GPUQueue.prototype.submit = function (commands) {
    submits.push(performance.now());
    return submit.call(this, commands);
  };
  const quartiles = (times) => {
    const sorted = times.toSorted((a, b) => a - b);
    return [1, 2, 3].map((part) => sorted[Math.floor((part * sorted.length) / 4)].toFixed(1)).join(" ");
  };
  const [runs, losses] = [[], []];
  try {
    const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
    const executable = await webgpu().compile(bind(model, fixtureWeights(model, "v1")));
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    for (let run = 0; run < 40; run++) {
      submits = [];
      const start = performance.now();
      await executable.run({ image });
      runs.push(performance.now() - start);
      losses.push(submits.at(-1) - submits.at(-2));
    }
    await tell("run " + quartiles(runs) + "; lost at most " + quartiles(losses));
  } catch (error) {
    await tell(String(error));
  }
`;
const preferences = {
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  "privacy.reduceTimerPrecision": false, // a clock of more than whole milliseconds
};
console.log(await inFirefox({ page, folder: "conformance", preferences, firefox: process.argv[2] }));
