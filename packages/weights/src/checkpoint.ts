import type { NamedSource } from "@residual/core";
import type { Weights } from "./weights.ts";

/** Settings of `torch.optim.SGD` for some of the parameters. */
export interface SgdGroup {
  /** The parameters, in the order in which the optimizer numbers them. */
  readonly names: readonly string[];
  readonly lr: number;
  readonly momentum: number;
  /** Default 0 */
  readonly dampening?: number;
  /** Part of the gradient (L2), as always in `torch.optim.SGD`; core's `sgd` has it so with `coupled`. */
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

/** Settings of `torch.optim.AdamW` for some of the parameters. */
export interface AdamWGroup {
  /** The parameters, in the order in which the optimizer numbers them. */
  readonly names: readonly string[];
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Apart from the gradient (decoupled). */
  readonly weightDecay: number;
}

/** SGD's memory of a parameter: the running sum of its gradients. */
export interface SgdMoments<S extends NamedSource = NamedSource> {
  readonly momentumBuffer: S;
}

/** AdamW's memory of a parameter: the running means of its gradients and of their squares, and the steps so far. */
export interface AdamWMoments<S extends NamedSource = NamedSource> {
  readonly step: number;
  readonly expAvg: S;
  readonly expAvgSq: S;
}

/**
 * The state of an optimizer, as PyTorch's has it. A parameter without an entry in `momenta` was not yet trained; one in
 * no group is not trained at all.
 */
export type OptimizerState<S extends NamedSource = NamedSource> =
  | {
      readonly kind: "sgd";
      readonly groups: readonly SgdGroup[];
      readonly momenta: ReadonlyMap<string, SgdMoments<S>>;
    }
  | {
      readonly kind: "adamw";
      readonly groups: readonly AdamWGroup[];
      readonly momenta: ReadonlyMap<string, AdamWMoments<S>>;
    };

/** A training run's state in a .pth file. */
export interface PyTorchCheckpoint {
  readonly weights: Weights;
  /** Undefined if the file has none. */
  readonly optimizer: OptimizerState | undefined;
  /** Epochs so far. */
  readonly epoch: number | undefined;
  /** Steps of the optimizer so far. */
  readonly step: number | undefined;
}
