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
  if (typeof found !== "object" || found === null || Array.isArray(found)) return false;
  return Object.values(found).every((value) => typeof value === "string");
}
