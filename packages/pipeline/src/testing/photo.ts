import { fileURLToPath } from "node:url";

/** The path of one of the repository's photos. */
export const photo = (name: string): string => fileURLToPath(new URL(`../../../../photos/${name}`, import.meta.url));
