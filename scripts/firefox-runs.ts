/**
 * How long runs on WebGPU take in Firefox: of ResNet-20, whose work is short against Firefox's own pauses.
 *
 *   node --conditions=@residual/source scripts/firefox-runs.ts [FIREFOX]     firefox-esr where not given
 *
 * Prints the milliseconds of 40 runs, sorted. On Linux WebGPU has to be turned on, which the profile made here does.
 * Firefox takes the adapter that VK_ICD_FILENAMES names.
 */
import { inFirefox } from "./firefox.ts";

const page = `
  import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
  import { webgpu } from "@residual/webgpu";
  const times = [];
  try {
    const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
    const executable = await webgpu().compile(bind(model, fixtureWeights(model, "v1")));
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    for (let run = 0; run < 40; run++) {
      const start = performance.now();
      await executable.run({ image });
      times.push(performance.now() - start);
    }
    await tell(times.sort((a, b) => a - b).join(" "));
  } catch (error) {
    await tell(String(error));
  }
`;
const preferences = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true };
console.log(await inFirefox({ page, folder: "conformance", preferences, firefox: process.argv[2] }));
