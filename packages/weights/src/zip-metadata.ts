import { isRecord } from "./json-values.ts";

/** Metadata out of a zip's comment, where our writers put them; none where the comment is another's. */
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
