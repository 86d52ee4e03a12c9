import process from "node:process";
import { conform } from "@residual/conformance";
import { webgpu } from "@residual/webgpu";

const { passed, sections } = await conform(webgpu(), {
  models: ["cifar_resnet20", "resnet18"],
  only: ["ops", "models"],
});
if (!passed) {
  const failed = sections.flatMap(({ checks }) => checks).filter((check) => !check.passed);
  throw new Error(JSON.stringify(failed.slice(0, 5)));
}
console.log("conforms");
process.exit(); // the GPU keeps the process
