import {
  type Backend,
  bind,
  fixtureInput,
  fixtureWeights,
  ResidualError,
  reference,
  resnet,
  variants,
} from "@residual/core";
import { type BackendName, backendNamed, backendNames, installCommand } from "@residual/pipeline";
import type { Command } from "commander";
import { command } from "../command.ts";
import { type Output, say, table } from "../terminal.ts";

interface Health {
  readonly name: string;
  readonly available: boolean;
  readonly version: string | null;
  readonly device: string | null;
  readonly driver: string | null;
  /** Whether a small network gave the reference's answer here, now. */
  readonly verified: boolean;
  readonly reason: string | null;
  readonly install: string | null;
}

/** Which backends work on this machine, tried, best first. */
export function doctorCommand(): Command {
  return command("doctor", "see which backends work here").action(async (output: Output) => {
    const backends: Health[] = [];
    for (const name of backendNames) backends.push(await examine(name));
    const report = { node: process.versions.node, platform: `${process.platform}-${process.arch}`, backends };
    say(output, report, () => words(report));
  });
}

async function examine(name: BackendName): Promise<Health> {
  const install = await installCommand(name);
  try {
    const backend = await backendNamed(name);
    const { version, device, driver } = await backend.describe();
    const verified = await givesTheReferencesAnswer(backend);
    const reason = verified ? null : "it answers other numbers than the reference";
    return { name, available: true, version, device, driver: driver ?? null, verified, reason, install: null };
  } catch (error) {
    if (!(error instanceof ResidualError)) throw error;
    return {
      name,
      available: false,
      version: null,
      device: null,
      driver: null,
      verified: false,
      reason: error.message,
      install: error.message.includes(install) ? install : null, // not where a driver is what is missing
    };
  }
}

/**
 * ResNet-20 on the fixture's image: torch's own float32 run is off by 1.3e-7 of the largest logit; ten times that is
 * allowed.
 */
async function givesTheReferencesAnswer(backend: Backend): Promise<boolean> {
  const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
  const graph = bind(model, fixtureWeights(model, "v1"));
  const image = fixtureInput("v1", [1, 3, 32, 32]);
  const [expected, found] = await Promise.all(
    [reference, backend].map(async (each) => {
      await using executable = await each.compile(graph);
      return (await executable.run({ image })).logits.data;
    }),
  );
  const largest = Math.max(...Array.from(expected!, Math.abs));
  return expected!.every((value, i) => Math.abs(value - found![i]!) <= 1.3e-6 * largest);
}

function words({ node, platform, backends }: { node: string; platform: string; backends: readonly Health[] }): string {
  const rows = backends.map(({ name, available, version, device, verified, reason, install }) => [
    name,
    available ? (verified ? "works" : "differs") : "missing",
    version ?? "",
    device ?? "",
    [reason, install && `to install: ${install}`].filter(Boolean).join("; "),
  ]);
  return `Node ${node} on ${platform}\n\n${table(["backend", "state", "version", "device", ""], rows)}`;
}
