import { wasm } from "@residual/wasm";
import weights from "@residual/weights/known/resnet20-cifar10.safetensors";
import { answers } from "./answers.js";

const inWorker = wasm({ worker: new URL("worker.js", location.href) });
document.title = await answers(["auto", "wasm", inWorker, "reference"], { weights: new URL(weights, location.href) });
