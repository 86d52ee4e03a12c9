import {
  type Backend,
  type BackendDescription,
  type BackendParts,
  backendOf,
  type Graph,
  UnsupportedError,
  version,
  type WorkOptions,
} from "@residual/core";
import { choiceOf } from "./ahead.ts";
import { AheadRunner } from "./ahead-runner.ts";
import { callsOf, workOf } from "./calls.ts";
import type { StrategyOptions } from "./convolution/strategies.ts";
import { DirectRunner } from "./direct-runner.ts";
import { lowerToPlan } from "./lower.ts";
import { bytesToLoad, WasmModel } from "./model.ts";
import { checkWinograd, chooseThreads, type ThreadChoice, type WasmOptions } from "./options.ts";
import { addressesOf, type Plan } from "./plan.ts";
import { checkInstructions, checkPlatform, hasRelaxedSimd } from "./platform.ts";
import type { Runner } from "./runner.ts";
import { RemoteRunner } from "./threads/remote-runner.ts";
import { isShort, TeamRunner } from "./threads/team-runner.ts";

/**
 * WebAssembly generated for each graph. Constructing the backend starts nothing. The executables of a process share
 * threads, which start with the first `compile` that needs them and end with the last `dispose`.
 *
 * Throws UnsupportedError for options that are invalid, or that the platform does not support. `describe` and `compile`
 * throw BackendUnavailableError if the platform has no WebAssembly with SIMD, or forbids compiling it; `compile` and
 * `run` throw OutOfMemoryError if 4 GiB are not enough.
 */
export function wasm(options: WasmOptions = {}): Backend<"float32"> {
  return backendOf(partsOf(options));
}

function partsOf(options: WasmOptions): BackendParts<"float32"> {
  const { winograd = true, module } = options;
  if (module !== undefined) return partsAhead(module, options);
  checkWinograd(winograd);
  checkInstructions(options.instructions);
  const threads = chooseThreads(options);
  const choice = (): StrategyOptions => ({
    instructions: options.instructions ?? (hasRelaxedSimd() ? "relaxed madd" : "mul and add"),
    isShared: threads.mode === "shared memory",
    winograd,
  });
  return {
    name: "wasm",
    async describe() {
      await checkPlatform();
      return describe(choice(), inWords(threads));
    },
    async load(graph, work) {
      await checkPlatform();
      return load(graph, choice(), threads, work);
    },
  };
}

/** Parts that run a module made ahead, and compile nothing. */
function partsAhead(module: object, options: WasmOptions): BackendParts<"float32"> {
  const [other] = Object.entries(options).flatMap(([name, given]) =>
    name === "module" || given === undefined ? [] : [name],
  );
  if (other !== undefined)
    throw new UnsupportedError(`wasm: \`${other}\` is settled by how \`module\` was made; leave one of them out`);
  const choice = choiceOf(module);
  return {
    name: "wasm",
    describe: async () => describe(choice, "1 thread, compiled ahead"),
    async load(graph, work) {
      const plan = lowerToPlan(graph, choice);
      return WasmModel.load(plan, await AheadRunner.openAhead(choice, bytesToLoad(plan, 1), module), work);
    },
  };
}

function describe({ instructions, winograd }: StrategyOptions, threads: string): BackendDescription {
  const simd = instructions === "relaxed madd" ? "relaxed SIMD" : "SIMD without relaxed";
  return {
    library: "@residual/wasm",
    version,
    device: "cpu",
    driver: `${simd}, ${threads}`,
    dtypes: ["float32"],
    ...(winograd && { algorithms: ["winograd-f2", "winograd-f4"] }),
  };
}

async function load(
  graph: Graph,
  choice: StrategyOptions,
  threads: ThreadChoice,
  work: WorkOptions,
): Promise<WasmModel> {
  const plan = lowerToPlan(graph, choice);
  return WasmModel.load(plan, await openRunner(plan, choice, threads), work);
}

async function openRunner(plan: Plan, choice: StrategyOptions, threads: ThreadChoice): Promise<Runner> {
  const alone = { ...choice, isShared: false };
  const bytes = bytesToLoad(plan, 1);
  if (threads.mode === "own memory") return RemoteRunner.open(threads.code, alone, bytes);
  const isOpen = plan.steps.some(({ images }) => images === "N");
  const work = workOf(callsOf(plan, addressesOf(plan, 1), 1));
  if (threads.mode === "caller" || (threads.least === 0 && !isOpen && isShort(work)))
    return DirectRunner.open(alone, bytes);
  const team = await TeamRunner.openTeam(choice, bytesToLoad(plan, threads.threads), threads);
  team.warmUp(work);
  return team;
}

function inWords({ threads, mode }: ThreadChoice): string {
  const count = threads === 1 ? "1 thread" : `${threads} threads`;
  return mode === "caller" ? count : `${count} in ${threads === 1 ? "a worker" : "workers"}`;
}
