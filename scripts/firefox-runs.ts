/**
 * How long runs on WebGPU take in Firefox: of ResNet-20, whose work is short against Firefox's own pauses.
 *
 *   node --conditions=@residual/source scripts/firefox-runs.ts [FIREFOX]     firefox-esr where not given
 *
 * Runs take turns: as they are, and while the page asks the queue without a pause whether its work is done, which no
 * run can beat. The difference is the time that a run loses by waiting. Prints the quartiles of 40 runs each, in
 * milliseconds. On Linux WebGPU has to be turned on, which the profile made here does. Firefox takes the adapter that
 * VK_ICD_FILENAMES names.
 */
import { inFirefox } from "./firefox.ts";

const page = `
  import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
  import { webgpu } from "@residual/webgpu";
  const { requestDevice } = GPUAdapter.prototype;
  let queue;
  GPUAdapter.prototype.requestDevice = async function (...given) {
    const device = await requestDevice.apply(this, given);
    ({ queue } = device);
    return device;
  };
  const { port1, port2 } = new MessageChannel();
  let isAsking = false;
  port1.onmessage = () => {
    if (!isAsking) return;
    queue.submit([]);
    port2.postMessage(undefined);
  };
  const quartiles = (times) => {
    const sorted = times.toSorted((a, b) => a - b);
    return [1, 2, 3].map((part) => sorted[Math.floor((part * sorted.length) / 4)].toFixed(1)).join(" ");
  };
  try {
    const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
    const executable = await webgpu().compile(bind(model, fixtureWeights(model, "v1")));
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    const times = { "as it is": [], "asked without a pause": [] };
    for (let run = -4; run < 80; run++) {
      const name = Object.keys(times)[Math.abs(run % 2)];
      isAsking = name !== "as it is";
      if (isAsking) port2.postMessage(undefined);
      const start = performance.now();
      await executable.run({ image });
      if (run >= 0) times[name].push(performance.now() - start);
      isAsking = false;
    }
    await tell(Object.entries(times).map(([name, all]) => name + ": " + quartiles(all)).join("; "));
  } catch (error) {
    await tell(String(error));
  }
`;
const preferences = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true };
console.log(await inFirefox({ page, folder: "conformance", preferences, firefox: process.argv[2] }));
