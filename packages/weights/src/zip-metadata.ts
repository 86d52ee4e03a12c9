import { isRecord } from "./json-values.ts";

/** Reads the metadata that Residual's writers put in a zip's comment. Empty for other comments. */
export function metadataIn(comment: string): Readonly<Record<string, string>> {
  try {
    const found: unknown = JSON.parse(comment);
    return isMetadata(found) ? found : {};
  } catch {
    return {}; // a comment for people
  }
}

function isMetadata(found: unknown): found is Readonly<Record<string, string>> {
  return isRecord(found) && Object.values(found).every((value) => typeof value === "string");
}
