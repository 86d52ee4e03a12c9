/** For a page whose policy forbids WebAssembly: tells its parent what `describe` and `compile` throw. */
import { wasm } from "@residual/wasm";
import { residual } from "./graphs.ts";

declare const parent: { postMessage(message: unknown, origin: string): void };

const inWords = (error: unknown) => String(error);
const told = [
  await wasm()
    .describe()
    .then(() => "works", inWords),
  await wasm()
    .compile(residual(8))
    .then(() => "works", inWords),
];
parent.postMessage(told, "*");
