import { webgpu } from "@residual/webgpu";
import { conforms } from "./vitest.ts";

/** The same sections as in Node (webgpu.test.ts), on the browser's own WebGPU. */
await conforms(webgpu(), { only: ["ops", "nodes", "models"], models: ["cifar_resnet20", "seed000_block_s2"] });
