import { badgen } from "badgen";
import { verdictOf } from "./summary.ts";
import type { Report } from "./types.ts";

interface Badge {
  readonly label: string;
  readonly message: string;
  readonly color: "green" | "red";
}

/** Third parties choose the names of their backends, and XML cannot represent control characters. */
const nameOn = (name: string): string => name.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{FFFD}");

/** The text of a badge: each backend, and the number of passed checks. */
function badgeOf(reports: readonly Report[]): Badge {
  const parts = reports.map((report) => {
    const { backend, sections, passed } = report;
    const checks = sections.flatMap((section) => section.checks);
    const failed = checks.filter((check) => !check.passed).length;
    const name = nameOn(backend.name);
    if (!passed && failed === 0) return `${name} ${verdictOf(report)}`;
    return passed ? `${name} ${checks.length}` : `${name} ${failed} of ${checks.length} fail`;
  });
  const good = reports.length > 0 && reports.every(({ passed }) => passed);
  return { label: "conformance", message: parts.join(" | ") || "nothing run", color: good ? "green" : "red" };
}

/** A badge as a picture. */
export function toBadge(reports: readonly Report[]): string {
  const { label, message, color } = badgeOf(reports);
  return `${badgen({ label, status: message, color })}\n`;
}

/** The badge's text for shields.io's endpoint, which draws the badge: https://shields.io/badges/endpoint-badge */
export function toShields(reports: readonly Report[]): string {
  return `${JSON.stringify({ schemaVersion: 1, ...badgeOf(reports) })}\n`;
}
