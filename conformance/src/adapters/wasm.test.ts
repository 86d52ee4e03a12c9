import { wasm } from "@residual/wasm";
import { later } from "../testing/later.ts";
import { carriesSpecialValuesOn } from "../testing/special-layers.ts";
import { conforms } from "../vitest.ts";

const inTwo = wasm({ instructions: "mul and add", threads: 1 });
const direct = wasm({ winograd: false, threads: 1 });
const onThreads = wasm({ threads: 2 });

await conforms(wasm({ threads: 1 }), { without: later("train/three steps/resnext14_32x4d_8x3x32x32") });

/** The other ways to compute. Only threads among them change how a backend behaves. */
const arithmetic = { only: ["ops", "nodes", "models"], models: ["cifar_resnet20", "resnet10t"] } as const;
await conforms({ ...inTwo, name: "wasm, mul and add" }, arithmetic);
await conforms({ ...direct, name: "wasm, direct" }, arithmetic);
/** The 200 rounds of compile and dispose would start threads 200 times, which takes a minute. */
const without = ["behaviour/life", "train"];
await conforms({ ...onThreads, name: "wasm, two threads" }, { models: ["cifar_resnet20"], without });

carriesSpecialValuesOn("wasm", wasm({ threads: 1 }), { winograd: true });
carriesSpecialValuesOn("wasm, mul and add", inTwo, { winograd: true });
carriesSpecialValuesOn("wasm, direct", direct, { winograd: false });
