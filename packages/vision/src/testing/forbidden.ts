import { decodeImage } from "../browser.ts";

declare const parent: { postMessage(message: unknown, origin: string): void };

// in a page that forbids WebAssembly: gets the addresses of pictures as its query, tells what decodes and what does not
const addresses = new URL(import.meta.url).searchParams.getAll("picture");
const outcomes = addresses.map((address) => decodeImage(address).then(({ width }) => width, String));
void Promise.all(outcomes).then((told) => parent.postMessage(told, "*"));
