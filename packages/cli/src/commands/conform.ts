import type { Level } from "@residual/conformance";
import { BackendUnavailableError } from "@residual/core";
import { type Command, Option } from "commander";
import { type Context, command, positive, threadsOption } from "../command.ts";
import type { Options } from "../conform/run.ts";

/** The suite's levels, copied here because the suite is loaded only when used. */
const levelNames = Object.keys({
  ops: true,
  nodes: true,
  models: true,
  images: true,
  behaviour: true,
  train: true,
} satisfies { readonly [Name in Level]: true });

/** The suite is an optional peer. Throws BackendUnavailableError if it is not installed. */
async function checkSuite(): Promise<void> {
  try {
    await import("@residual/conformance");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BackendUnavailableError(
      `@residual/conformance, the suite, could not be loaded (${reason}); npm install @residual/conformance`,
      { cause },
    );
  }
}

/** Checks backends with the conformance suite, and names the differences. */
export function conformCommand({ signal }: Context): Command {
  return command("conform", "check backends against PyTorch's answers, and name what differs", [
    "conform --backends onnx --report report",
    "conform --models resnet50 --bisect",
  ])
    .option(
      "--backends <names>",
      "as onnx,webgpu (doctor lists all), or modules that export a backend, as ./mine.ts",
      "auto",
    )
    .option("--models <names>", "as resnet18,resnet50, or all; those of the level where not given")
    .addOption(new Option("--level <level>", "a minute of checks, or all").choices(["quick", "full"]).default("quick"))
    .option("--only <levels>", `of ${levelNames.join(", ")}`)
    .option("--report <folder>", "write conformance.json, junit.xml, index.html and a badge there")
    .option("--resume", "continue the interrupted run of the same --report")
    .option("--bisect", "find the first node of each model that is wrong, and explain it")
    .option("--images <path>", "labelled pictures for the level images, as eval's --data")
    .option("--answers <file>", "PyTorch's logits of those pictures")
    .option("--weights <w>", "the weights that gave these logits; those that ship inside where not given")
    .option("--limit <n>", "only the first n pictures", positive)
    .addOption(threadsOption())
    .action(async (options: Options) => {
      await checkSuite();
      const { holdAgainstSuite } = await import("../conform/run.ts"); // importing it takes a seventh of the start time
      await holdAgainstSuite(options, signal);
    });
}
