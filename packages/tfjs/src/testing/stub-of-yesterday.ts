export const version_core = "4.10.0";
export const version: { readonly [name: string]: string } = { "tfjs-core": version_core, "tfjs-node": version_core };
