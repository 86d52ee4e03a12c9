import { AbortError, ResidualError } from "@residual/core";
import { Command, CommanderError } from "commander";
import { benchCommand } from "./commands/bench.ts";
import { classifyCommand } from "./commands/classify.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evalCommand } from "./commands/eval.ts";
import { exportCommand } from "./commands/export.ts";
import { modelsCommand } from "./commands/models.ts";
import { preprocessCommand } from "./commands/preprocess.ts";
import { runCommand } from "./commands/run.ts";
import { summaryCommand } from "./commands/summary.ts";
import { UsageError } from "./errors.ts";
import { version } from "./version.ts";

/** Runs one command line. Sets the exit code: 0 done, 1 the job failed, 2 the words are wrong, 130 stopped by Ctrl-C. */
export async function main(words: readonly string[]): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort(new Error("stopped by Ctrl-C"));
  process.once("SIGINT", stop); // a second Ctrl-C ends the process at once, as it does by default
  process.stdout.on("error", ignoreClosedPipe);
  try {
    await program(controller.signal).parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  } finally {
    process.removeListener("SIGINT", stop);
  }
}

function program(signal: AbortSignal): Command {
  const root = new Command("residual")
    .description("ResNets described once, run anywhere with the same numbers.")
    .version(version);
  const context = { signal };
  const commands = [
    modelsCommand(),
    summaryCommand(context),
    classifyCommand(context),
    preprocessCommand(context),
    runCommand(context),
    evalCommand(context),
    exportCommand(context),
    benchCommand(context),
    doctorCommand(),
  ];
  for (const each of commands) root.addCommand(quiet(each));
  return quiet(root).showSuggestionAfterError();
}

/** Commander throws instead of exiting, so that whatever is open gets closed; and leaves the saying to `report`. */
function quiet(command: Command): Command {
  return command.exitOverride().configureOutput({ outputError: () => {} });
}

/** Says what went wrong in one line, `code: message`, and gives the exit code for it. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    if (error.code === "commander.help") return 2; // no command at all: the help was shown
    return fail("UsageError", error.message.replace(/^error: /, ""), 2);
  }
  if (error instanceof AbortError) return fail(error.code, error.message, 130);
  if (error instanceof ResidualError) return fail(error.code, error.message, error instanceof UsageError ? 2 : 1);
  if (process.env.RESIDUAL_DEBUG) console.error(error);
  return fail(
    "InternalError",
    `${error instanceof Error ? error.message : String(error)} (a mistake of ours; RESIDUAL_DEBUG=1 shows where)`,
    1,
  );
}

function fail(code: string, message: string, exitCode: number): number {
  process.stderr.write(`${code}: ${message}\n`);
  return exitCode;
}

/** `residual models | head` is no failure. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}
