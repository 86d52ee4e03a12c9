import type { Preprocessing, WorkOptions } from "@residual/core";
import type { ServingOptions } from "@residual/pipeline/serving";

/** A model to serve. */
export interface ModelEntry {
  /** In the paths of requests: letters, digits, `_`, `.` and `-`. */
  readonly name: string;
  /** A model's name. Default: the model in the weights' metadata. */
  readonly model?: string;
  /** A path, a URL or the name of known weights. Default: the weights that ship with Residual. */
  readonly weights?: string;
  /** A name for each class, in order. Default: the weights' or the model's. */
  readonly labels?: readonly string[];
  /** Changes to the preprocessing of the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing>;
}

/** What `openServing` takes, too. */
type Shared = Pick<ServingOptions, "workers" | "threads" | "backend" | "maxBatch" | "maxWaiting" | "maxPixels">;

export interface ServeOptions extends WorkOptions, Shared {
  /** The first one answers requests that name no model. Default: the small model that ships with Residual */
  readonly models?: readonly ModelEntry[] | undefined;
  /** TCP port; 0 takes a free one. Default 8000 */
  readonly port?: number | undefined;
  /** TCP port for gRPC; 0 takes a free one, `false` none. Default: the one after `port`, or a free one if that is 0 */
  readonly grpcPort?: number | false | undefined;
  /** Address to listen on. Default 127.0.0.1 */
  readonly host?: string | undefined;
  /** The most bytes of a request's body. Default 32 MiB */
  readonly maxBytes?: number | undefined;
  /** The most images of a request. Default 128 */
  readonly maxImages?: number | undefined;
  /** The most connections at a time. Default 1,000 */
  readonly maxConnections?: number | undefined;
  /** Milliseconds that a client has to send a request. Default 30,000 */
  readonly requestTimeout?: number | undefined;
  /** Milliseconds after which a request that has not started is given up, unless it says less. Default 30,000 */
  readonly timeout?: number | undefined;
  /** Accepted API keys. Without keys `host` has to be a loopback address, or `noAuth` true. */
  readonly apiKeys?: readonly string[] | undefined;
  /** Answers everyone on any `host`: something in front of the server checks who may call it. Default false */
  readonly noAuth?: boolean | undefined;
  /** Origins of pages that may call the server; `*` for all. Default: none */
  readonly cors?: readonly string[] | undefined;
  /** Lets clients load and unload the listed `models`. Default false */
  readonly modelControl?: boolean | undefined;
  /** Takes the log, a line of JSON for each request: `process.stderr`. Default: no log */
  readonly log?: { write(line: string): void } | undefined;
  /** Called with guesses about weights, and with the reason for a lost worker. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A server that is ready. */
export interface RunningServer extends AsyncDisposable {
  /** `http://127.0.0.1:8000` */
  readonly url: string;
  /** `127.0.0.1:8001`. Undefined without gRPC */
  readonly grpc: string | undefined;
  /** Names of the models, in the order of the options. */
  readonly models: readonly string[];
  /** Answers pending requests, refuses others with 503, then closes. A repeated call waits for the same. */
  close(): Promise<void>;
}
