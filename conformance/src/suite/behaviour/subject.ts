import {
  type Answer,
  type Backend,
  type Executable,
  fixtureInput,
  type Graph,
  optimize,
  ResidualError,
  select,
  type Tensor,
} from "@residual/core";
import { fixtureModel } from "../fixture-model.ts";

/** The subject of behaviour checks: a backend, and a network small enough to be compiled hundreds of times. */
export interface Subject {
  readonly backend: Backend;
  readonly graph: Graph<"image", "logits">;
  /** Compiles the network with an open batch. The caller disposes of the executable. */
  readonly compile: () => Promise<Executable<"image", "logits">>;
  /** An image for the network. Each salt gives another image. */
  readonly image: (salt: string, batch?: number) => Tensor<"float32">;
  /** Size of the network's weights in bytes. */
  readonly bytes: number;
}

/**
 * ResNet-20 of CIFAR: convolutions, both kinds of shortcuts, a pool and a linear layer. It has 1.1 MB of weights and 41
 * million multiply-adds.
 */
export function subjectOf(backend: Backend): Subject {
  const { graph } = fixtureModel("cifar_resnet20", ["N", 3, 32, 32]);
  const lean: Graph<"image", "logits"> = optimize(select(graph, ["logits"]));
  return {
    backend,
    graph: lean,
    compile: () => backend.compile(lean),
    image: (salt, batch = 1) => fixtureInput(salt, [batch, 3, 32, 32]),
    bytes: 4 * 269_722,
  };
}

/**
 * One required behaviour. Resolves if the backend has the behaviour, possibly with a remark. Otherwise throws a
 * description of the fault.
 */
export type Behaviour = (subject: Subject) => Promise<unknown>;

/** The description of a fault. */
export class Misbehaviour extends Error {}

export function expectThat(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Misbehaviour(message);
}

/** Whether two answers have the same bits. */
export function sameBits(a: Answer, b: Answer): boolean {
  return a.shape.join() === b.shape.join() && a.data.every((value, i) => Object.is(value, b.data[i]));
}

/** The message of any thrown value: a third party's backend may throw anything. */
export function inWords(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
}

/** Expects work to throw a typed error, with one of the given codes if any are given. */
export async function expectRefusal(
  work: () => Promise<unknown>,
  what: string,
  codes?: readonly string[],
): Promise<void> {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expectThat(error !== undefined, `${what} was taken, expected an error`);
  expectThat(error instanceof ResidualError, `${what}: got ${inWords(error)}, expected one of core's errors`);
  const fits = codes === undefined || codes.includes(error.code);
  expectThat(fits, `${what}: got ${error.code} (${error.message}), expected ${codes?.join(" or ")}`);
}
