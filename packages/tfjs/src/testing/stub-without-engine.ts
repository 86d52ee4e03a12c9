import { version_core } from "@tensorflow/tfjs-core";

export * from "@tensorflow/tfjs-core";
export const version: { readonly [name: string]: string } = { "tfjs-core": version_core, "tfjs-node": version_core };
