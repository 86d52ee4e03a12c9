import { stringify } from "./numbers-json.ts";
import type { Report } from "./types.ts";

/** Reports as one document. Its schema is published with this package: `schema/conformance-1.json`. */
export function toJson(reports: readonly Report[]): string {
  return `${stringify({ $schema: "https://residual.dev/schema/conformance-1.json", version: 1, reports }, 1)}\n`;
}
