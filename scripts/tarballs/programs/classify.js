import process from "node:process";
import { load } from "residual";

const [name] = process.argv.slice(2);

async function software() {
  const { webgpu } = await import("@residual/webgpu");
  const { softwareGpu } = await import("@residual/webgpu-software");
  return webgpu({ gpu: await softwareGpu() });
}

const classifier = await load({ backend: name === "software" ? await software() : name });
const [best] = await classifier.classify("cat.png");
await classifier.dispose();
if (Math.abs(best.probability - 0.982) > 0.001) throw new Error(`found ${best.probability}, expected 0.982`);
console.log(best.label);
process.exit(); // Dawn keeps the process as long as its GPU is held
