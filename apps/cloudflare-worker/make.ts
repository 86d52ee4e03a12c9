/** Writes what the worker imports: the model's weights, the kernels that run it, and the decoder of JPEGs. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { load } from "@residual/pipeline";
import { codecBytes } from "@residual/vision";
import { wasmModule } from "@residual/wasm";

// or a file of yours
const weights = new URL(import.meta.resolve("@residual/weights/known/resnet20-cifar10.safetensors"));
const made = (name: string) => new URL(`made/${name}`, import.meta.url);

await using classifier = await load({ weights, backend: "reference" });
await mkdir(made("."), { recursive: true });
await copyFile(weights, made("weights.bin"));
await writeFile(made("kernels.wasm"), wasmModule([classifier.graph]));
await writeFile(made("jpeg.wasm"), await codecBytes("JPEG"));
