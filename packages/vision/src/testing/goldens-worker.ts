import { goldenOutcomes } from "./golden-outcomes.ts";

declare function postMessage(message: unknown): void;
declare function addEventListener(type: "message", listener: (event: { readonly data: string }) => void): void;

// in a worker: gets the address of packages/vision/golden/, gives the outcomes
addEventListener("message", ({ data }) => void goldenOutcomes(data).then(postMessage));
