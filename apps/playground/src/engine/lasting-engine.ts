import { type Engine, startEngine } from "./engine.ts";
import { problemOf } from "./problem.ts";
import type { CallOptions } from "./rpc.ts";
import type { LoadRequest } from "./session.ts";

/** What a person reads after something was lost and is there again. */
const recovered: { readonly [code: string]: string } = {
  DeviceLostError: "The GPU's device was lost. The network was loaded again, and the work was repeated.",
  WorkerLost: "The worker that computes has failed. A new one has taken its place, and the work was repeated.",
};

/**
 * An engine that outlives its GPU's device and its worker: the network is loaded again, and the call is repeated, once.
 * Calls that move what they transfer are not repeated.
 */
export class LastingEngine {
  #engine: Engine = startEngine();
  #request: LoadRequest | undefined;
  #recovering: Promise<void> | undefined;
  readonly #onRecovered: (note: string) => void;

  constructor(onRecovered: (note: string) => void) {
    this.#onRecovered = onRecovered;
  }

  /** As `Remote.call`. Rejects with the second error where the repeated call fails too. */
  call: Engine["call"] = async (method, argument, options) => {
    const engine = this.#engine;
    try {
      return await this.#remember(method, argument, engine.call(method, argument, options));
    } catch (error) {
      const { code } = problemOf(error);
      if (!(code in recovered) || options?.signal?.aborted || options?.transfer?.length) throw error;
      await this.#recover(engine, code, options?.onProgress);
      const answer = await this.#remember(method, argument, this.#engine.call(method, argument, options));
      this.#onRecovered(recovered[code]!);
      return answer;
    }
  };

  async #remember<T>(method: string, argument: unknown, answer: Promise<T>): Promise<T> {
    const found = await answer;
    if (method === "load") this.#request = argument as LoadRequest;
    return found;
  }

  /** Once for all calls that failed together. */
  #recover(failed: Engine, code: string, onProgress: CallOptions["onProgress"]): Promise<void> {
    this.#recovering ??= this.#reload(failed, code, onProgress).finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  async #reload(failed: Engine, code: string, onProgress: CallOptions["onProgress"]): Promise<void> {
    if (this.#engine !== failed) return; // by another call, before this one failed
    if (code === "WorkerLost") {
      failed.end();
      this.#engine = startEngine();
    }
    if (this.#request) await this.#engine.call("load", this.#request, { onProgress });
  }
}
