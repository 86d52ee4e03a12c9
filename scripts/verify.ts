/** Types, tests, style and dead code of the whole workspace. Ends with the line `N passed, N failed`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";

type Step = readonly [command: string, ...words: string[]];

const first: Step = ["turbo", "run", "check", "build", "--continue", "--concurrency=2"];

/** Lanes run side by side. Each waits now and then: for a browser, a worker, or the last of its tests. */
const lanes: readonly (readonly Step[])[] = [
  [["turbo", "run", "test", "--continue", "--concurrency=2"]],
  [
    ["tsc"],
    ["vitest", "run"],
    ["node", "scripts/check-packages.ts"],
    ["node", "scripts/sizes/index.ts"],
    ["node", "scripts/tarballs/index.ts", "--quick"],
    ["biome", "check", "."],
    ["node", "scripts/check-comments.ts"],
    ["oxlint", "--type-aware"],
    ["sherif"],
    ["knip"],
  ],
];

const reports = "{.,packages/*,conformance,apps/*}/.vitest/report.json";
for (const file of globSync(reports)) rmSync(file);

/** Tests start hundreds of processes, which share what V8 has compiled: a third of a start's processor time. */
const env = { ...process.env, NODE_COMPILE_CACHE: join(process.cwd(), "node_modules/.cache/compiled") };

const broken: Step[] = [];

/** What a step prints is held back until it ends, except that of the first lane: lines of two steps would mix. */
async function run(step: Step, isShown: boolean): Promise<void> {
  const [command, ...words] = step;
  const child = spawn(command, words, { stdio: isShown ? "inherit" : ["ignore", "pipe", "pipe"], env });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (piece: Buffer) => printed.push(piece));
  await once(child, "close");
  console.log(`\n> ${step.join(" ")}\n${Buffer.concat(printed).toString()}`);
  if (child.exitCode !== 0) broken.push(step);
}

await run(first, true);
await Promise.all(
  lanes.map(async (steps, lane) => {
    for (const step of steps) await run(step, lane === 0);
  }),
);

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: "passed" | "failed";
    /** Why the file did not load, where it did not. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Named again below everything, since what a test printed lies far above what the other packages printed after it. */
function tellFailures({ testResults }: Report): void {
  for (const { name, message, assertionResults } of testResults.filter(({ status }) => status === "failed")) {
    console.log(`\nFAILED: ${relative(process.cwd(), name)} ${message}`);
    for (const { fullName, failureMessages } of assertionResults.filter(({ status }) => status === "failed")) {
      const lines = failureMessages
        .flatMap((text) => text.split("\n"))
        .filter((line) => !line.includes("node_modules"));
      console.log(`  ${fullName}\n    ${lines.slice(0, 12).join("\n    ")}`);
    }
  }
}

let [passed, failed] = [0, 0];
for (const file of globSync(reports)) {
  const report = JSON.parse(readFileSync(file, "utf8")) as Report;
  passed += report.numPassedTests;
  // A file that does not load fails no test, and must not pass for that.
  failed += Math.max(report.numFailedTests, report.success ? 0 : 1);
  tellFailures(report);
}
for (const step of broken) console.log(`\nFAILED: ${step.join(" ")}`);
console.log(`\n${passed} passed, ${Math.max(failed, broken.length)} failed`);
process.exitCode = broken.length > 0 || failed > 0 || passed === 0 ? 1 : 0;
