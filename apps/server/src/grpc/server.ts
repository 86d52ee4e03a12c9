import { fileURLToPath } from "node:url";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";
import { FormatError } from "@residual/core";
import { OptionError } from "@residual/pipeline";
import type { Service } from "../service.ts";
import { inferenceCalls, repositoryCalls } from "./calls.ts";
import { observed } from "./observed.ts";

/** A gRPC server that answers. */
export interface GrpcServer {
  readonly port: number;
  /** Answers pending calls, refuses others, then closes. */
  close(): Promise<void>;
}

/**
 * Answers the GRPCInferenceService of the Open Inference Protocol, with Triton's calls for a model repository. There is
 * no TLS: a proxy in front of the server adds it. Throws OptionError for a port that cannot be used.
 */
export async function startGrpc(service: Service, host: string, port: number): Promise<GrpcServer> {
  const server = new Server({
    interceptors: [observed(service)],
    "grpc.max_receive_message_length": service.maxBytes,
    "grpc.max_concurrent_streams": 128,
    "grpc.keepalive_time_ms": 60_000, // finds half-open connections
  });
  server.addService(serviceIn("open_inference_grpc.proto"), inferenceCalls(service));
  server.addService(serviceIn("model_repository.proto"), repositoryCalls(service));
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (cause, found) => {
      if (!cause) resolve(found);
      else reject(new OptionError(`\`grpcPort\` ${port} of ${host} cannot be used; give another one`, { cause }));
    }),
  );
  return { port: bound, close: () => closed(server, service.timeout) };
}

/** Resolves when all calls are answered. After `ms` milliseconds the rest is cut off. */
async function closed(server: Server, ms: number): Promise<void> {
  const timer = setTimeout(() => server.forceShutdown(), ms);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(timer);
}

/** The service that a file of ../../proto declares. */
function serviceIn(file: string): ServiceDefinition {
  const path = fileURLToPath(new URL(`../../proto/${file}`, import.meta.url));
  const options = { keepCase: true, longs: Number, arrays: true, objects: true, defaults: true, oneofs: true } as const;
  const found = loadSync(path, options)["inference.GRPCInferenceService"];
  if (!found || "format" in found) throw new FormatError(`${file} declares no GRPCInferenceService`);
  return found;
}
