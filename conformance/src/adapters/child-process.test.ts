import { inChildProcess } from "@residual/pipeline";
import { conforms } from "../vitest.ts";

await conforms(inChildProcess("onnx"), { models: ["cifar_resnet20"], only: ["behaviour"] });
