import { conform } from "@residual/conformance";
import { reference } from "@residual/core";
import { wasm } from "@residual/wasm";

const models = ["cifar_resnet20", "paddle_unit_s2"];
const slow = ["ops/layers of the family", "behaviour/life"];

/** Checks the backends that need nothing but ECMAScript and WebAssembly; "all" is every check of wasm's quick level. */
export async function checkAnywhere(how) {
  await check(reference, { models, only: ["ops", "nodes", "models"], without: slow });
  await check(wasm(), how === "all" ? {} : { models, without: slow });
  return "conforms";
}

/** Throws where a backend does not conform. */
export async function check(backend, options) {
  const { passed, sections } = await conform(backend, options);
  if (passed) return;
  const failed = sections.flatMap(({ checks }) => checks).filter((each) => !each.passed);
  throw new Error(`${backend.name}: ${JSON.stringify(failed.slice(0, 5))}`);
}
