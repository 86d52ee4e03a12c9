/** Types, tests, style and dead code of the whole workspace. Ends with the line `N passed, N failed`. */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, rmSync } from "node:fs";

const steps = [
  ["turbo", "run", "check", "test", "build", "--continue", "--concurrency=2"],
  ["tsc"],
  ["node", "scripts/check-packages.ts"],
  ["biome", "check", "."],
  ["oxlint", "--type-aware"],
  ["sherif"],
  ["knip"],
] as const;

const reports = "{packages/*,conformance,apps/*}/.vitest/report.json";
for (const file of globSync(reports)) rmSync(file);

const broken = steps.filter(([command, ...words]) => {
  console.log(`\n> ${command} ${words.join(" ")}`);
  return spawnSync(command, words, { stdio: "inherit" }).status !== 0;
});

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

let [passed, failed] = [0, 0];
for (const file of globSync(reports)) {
  const report = JSON.parse(readFileSync(file, "utf8")) as Report;
  passed += report.numPassedTests;
  // A file that does not load fails no test, and must not pass for that.
  failed += Math.max(report.numFailedTests, report.success ? 0 : 1);
}
for (const [command, ...words] of broken) console.log(`\nFAILED: ${command} ${words.join(" ")}`);
console.log(`\n${passed} passed, ${Math.max(failed, broken.length)} failed`);
process.exitCode = broken.length > 0 || failed > 0 || passed === 0 ? 1 : 0;
