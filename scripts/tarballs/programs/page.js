import { answers } from "./answers.js";

const parameters = new URL(location.href).searchParams;
const weights = parameters.get("weights");
document.title = await answers(parameters.get("backends").split(","), {
  wasmPaths: { tfjs: new URL("wasm/", location.href).href },
  ...(weights && { weights: new URL(weights, location.href) }),
});
