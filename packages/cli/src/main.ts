import { version } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { nearestTo } from "@residual/kit/names";
import { OptionError } from "@residual/pipeline";
import { Command, CommanderError } from "commander";
import { flagOf, help, noColorOption, withExamples } from "./command.ts";
import { benchCommand } from "./commands/bench.ts";
import { bulkCommand } from "./commands/bulk.ts";
import { classifyCommand } from "./commands/classify.ts";
import { conformCommand } from "./commands/conform.ts";
import { convertCommand } from "./commands/convert.ts";
import { diffCommand } from "./commands/diff.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evalCommand } from "./commands/eval.ts";
import { exportCommand } from "./commands/export.ts";
import { graphCommand } from "./commands/graph.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { modelsCommand } from "./commands/models.ts";
import { preprocessCommand } from "./commands/preprocess.ts";
import { runCommand } from "./commands/run.ts";
import { searchCommand } from "./commands/search.ts";
import { serveCommand } from "./commands/serve.ts";
import { summaryCommand } from "./commands/summary.ts";
import { trainCommand } from "./commands/train.ts";
import { tuneCommand } from "./commands/tune.ts";
import { weightsCommand } from "./commands/weights.ts";
import { typedOf, UsageError } from "./errors.ts";
import { Stop, stopper } from "./stop.ts";
import { complain } from "./terminal.ts";

/**
 * Runs one command line. Sets the exit code: 0 done, 1 the job failed, 2 invalid usage, 130 stopped by Ctrl-C.
 */
export async function main(words: readonly string[]): Promise<void> {
  using stopping = stopper();
  process.stdout.on("error", onStdoutError);
  process.stderr.on("error", () => {}); // a closed stderr is not a failure of the job
  if (words.includes("--no-color")) Object.assign(process.env, { NO_COLOR: "1", FORCE_COLOR: "0" });
  const root = program(stopping.signal);
  try {
    checkCommand(words, root);
    await root.parseAsync(words.join(" ") === "help help" ? ["help"] : words, { from: "user" });
  } catch (error) {
    const reason: unknown = stopping.signal.reason;
    if (reason instanceof Stop) process.exit(fail("AbortError", reason.message, reason.exitCode));
    process.exitCode = report(error, root);
  }
}

function program(signal: AbortSignal): Command {
  const root = withExamples(
    new Command("residual")
      .description("Classify images, train, run, export and compare ResNets.")
      .version(version)
      .addOption(noColorOption()),
    ["classify cat.png", "doctor"],
  );
  const context = { signal };
  const commands = [
    modelsCommand(),
    summaryCommand(context),
    graphCommand(context),
    classifyCommand(context),
    preprocessCommand(context),
    runCommand(context),
    evalCommand(context),
    bulkCommand(context),
    searchCommand(context),
    exportCommand(context),
    convertCommand(context),
    inspectCommand(context),
    diffCommand(context),
    benchCommand(context),
    tuneCommand(context),
    weightsCommand(context),
    trainCommand(context),
    serveCommand(context),
    conformCommand(context),
    doctorCommand(context),
  ];
  for (const each of commands) root.addCommand(configured(each));
  return configured(root).showSuggestionAfterError();
}

/** For an unknown command, commander would print only the help; this prints an error. */
function checkCommand(words: readonly string[], root: Command): void {
  const [first, second] = words.filter((word) => word !== "--no-color");
  const name = first === "help" ? second : first;
  const names = [...root.commands.map((each) => each.name()), "help"];
  if (name === undefined || name.startsWith("-") || names.includes(name)) return;
  const nearest = nearestTo(name, names);
  const wayOut = nearest === undefined ? "see residual --help" : `did you mean ${nearest}?`;
  throw new UsageError(`unknown command '${shown(name, 60)}'; ${wayOut}`);
}

/** Makes commander throw instead of exiting, so that open resources are closed, and leave its errors to `report`. */
function configured(command: Command): Command {
  for (const each of command.commands) configured(each);
  return command
    .exitOverride()
    .configureHelp(help)
    .configureOutput({ outputError: () => {} });
}

/** Prints the error as `code: message`, and returns its exit code. */
function report(error: unknown, root: Command): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    if (error.code === "commander.help") return 2; // no command at all: the help was shown
    return fail("UsageError", wordsOf(error, root), 2);
  }
  if (error instanceof OptionError)
    return fail(
      "UsageError",
      error.message.replaceAll(/`(\w+)`/g, (_, name: string) => flagOf(name)),
      2,
    );
  const typed = typedOf(error);
  if (typed) return fail(typed.code, typed.message, typed instanceof UsageError ? 2 : 1);
  if (isSystemError(error)) return fail("FormatError", error.message, 1);
  if (process.env.RESIDUAL_DEBUG) console.error(error);
  const words = error instanceof Error ? error.message : String(error);
  return fail("InternalError", `${words} (please report it; RESIDUAL_DEBUG=1 shows where it was thrown)`, 1);
}

/** Commander's message on one line, with a way out: the nearest name, else the help command. */
function wordsOf({ message }: CommanderError, root: Command): string {
  const [found, nearest] = message
    .replace(/^error: /, "")
    .replace(" is invalid. Allowed", ": allowed")
    .replace(" is invalid. ", ": ")
    .replace(/\.$/, "")
    .split(/\n\(Did you mean (.*)\?\)/);
  if (nearest !== undefined) return `${found}; did you mean ${nearest}?`;
  const command = root.commands.find((each) => root.args[0] === each.name());
  return `${found}; see residual ${command ? `${command.name()} ` : ""}--help`;
}

/** A file-system error: Node's message names the operation and the path. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "errno" in error;
}

function fail(code: string, message: string, exitCode: number): number {
  complain(code, message);
  return exitCode;
}

/**
 * A closed stdout, as in `residual models | head`, is not a failure; a full disk is. In both cases nothing more can be
 * written.
 */
function onStdoutError(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  process.exit(fail("FormatError", `stdout: it cannot be written (${error.message}); check the space left`, 1));
}
