import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { version } from "@residual/core";
import type { ModelControl } from "@residual/open-inference";
import { nodeServer } from "@residual/open-inference/node";
import { OptionError } from "@residual/pipeline";
import { openServing, type Serving } from "@residual/pipeline/serving";
import { pino } from "pino";
import { checkAccess, keyCheck } from "./access.ts";
import { type GrpcServer, startGrpc } from "./grpc/server.ts";
import { createApp } from "./http/app.ts";
import { Metrics } from "./metrics.ts";
import type { ModelEntry, RunningServer, ServeOptions } from "./options.ts";
import type { Service } from "./service.ts";

/** The weights that ship with Residual, under the name of their model. */
const EMBEDDED: ModelEntry = { name: "cifar_resnet20" };

/**
 * Answers the Open Inference Protocol v2 and picture files over HTTP. Resolves when all models are ready; from the
 * beginning on the server answers probes.
 *
 * Throws OptionError for a `host` that others reach without keys and for a port that is in use, and as `load` does.
 * After an error nothing is left open.
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 8000, apiKeys = [], noAuth = false, models = [EMBEDDED] } = options;
  const { grpcPort = port === 0 ? 0 : port + 1 } = options;
  checkAccess(host, apiKeys, noAuth);
  const metrics = new Metrics();
  const serving = await openServing({ ...servingOptions(options), onBatch: (batch) => metrics.countBatch(batch) });
  metrics.watch(serving);
  const service = serviceOf(options, serving, metrics, models);
  const { requestTimeout = 30_000, maxConnections = 1000, cors = [] } = options;
  const http = nodeServer(createApp(service, cors), { ...service, requestTimeout, maxConnections });
  const pending = pendingRequests(http);
  let grpc: GrpcServer | undefined;
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= stop(service, http, pending, grpc);
    return closed;
  };
  try {
    await listen(http, port, host);
    if (grpcPort !== false) grpc = await startGrpc(service, host, grpcPort);
    for (const { name, ...model } of models) await serving.load(name, model, options);
    service.phase = "ready";
  } catch (error) {
    await close();
    throw error;
  }
  const address = http.address() as AddressInfo;
  const shownHost = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `http://${shownHost}:${address.port}`,
    grpc: grpc && `${shownHost}:${grpc.port}`,
    models: service.listed,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function servingOptions(options: ServeOptions): NonNullable<Parameters<typeof openServing>[0]> {
  const { workers, threads, backend, maxBatch, maxWaiting, maxPixels, onWarning, signal } = options;
  return { workers, threads, backend, maxBatch, maxWaiting, maxPixels, onWarning, signal };
}

function serviceOf(options: ServeOptions, serving: Serving, metrics: Metrics, entries: readonly ModelEntry[]): Service {
  return {
    about: { name: "residual", version },
    serving,
    models: serving.models,
    listed: entries.map(({ name }) => name),
    metrics,
    isAllowed: keyCheck(options.apiKeys ?? []),
    log: options.log ? pino({}, options.log) : pino({ enabled: false }),
    maxBytes: options.maxBytes ?? 2 ** 25,
    maxImages: options.maxImages ?? 128,
    timeout: options.timeout ?? 30_000,
    control: options.modelControl ? controlOf(serving, entries) : undefined,
    phase: "starting",
  };
}

function controlOf(serving: Serving, entries: readonly ModelEntry[]): ModelControl {
  const options = new Map(entries.map(({ name, ...rest }) => [name, rest]));
  return {
    load: (name) => serving.load(name, options.get(name)),
    unload: (name) => serving.unload(name),
  };
}

async function listen(http: Server, port: number, host: string): Promise<void> {
  try {
    http.listen(port, host);
    await once(http, "listening");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new OptionError(`\`port\` ${port} of ${host} is in use; give another one`);
    if (code === "EACCES") throw new OptionError(`\`port\` ${port} needs privileges; give one from 1024 on`);
    throw new OptionError(`\`host\` ${host} cannot be listened on (${code}); give an address of this machine`);
  }
}

/** Requests whose answers are not sent; `empty` resolves when there are none. */
interface Pending {
  empty(): Promise<void>;
}

function pendingRequests(http: Server): Pending {
  let count = 0;
  http.on("request", (_, response) => {
    count++;
    response.once("close", () => {
      count--;
      if (count === 0) http.emit("residual-empty");
    });
  });
  return {
    async empty() {
      if (count > 0) await once(http, "residual-empty");
    },
  };
}

/** Refuses new work, answers what is under way, then frees everything. */
async function stop(service: Service, http: Server, pending: Pending, grpc: GrpcServer | undefined): Promise<void> {
  service.phase = "stopping";
  await Promise.all([pending.empty(), grpc?.close()]);
  if (http.listening) {
    const closed = once(http, "close");
    http.close();
    await pending.empty(); // refusals of requests that came meanwhile
    http.closeAllConnections();
    await closed;
  }
  await service.serving.dispose();
}
