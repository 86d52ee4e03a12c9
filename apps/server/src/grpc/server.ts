import { env } from "node:process";
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { addInferenceServices } from "@residual/open-inference/grpc";
import { OptionError } from "@residual/pipeline";
import type { Service } from "../service.ts";
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
  if (env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE); // its errors are thrown, too
  const server = new Server({
    interceptors: [observed(service)],
    "grpc.max_receive_message_length": service.maxBytes,
    "grpc.max_concurrent_streams": 128,
    "grpc.keepalive_time_ms": 60_000, // finds half-open connections
  });
  addInferenceServices(server, service, (err) => service.log.error({ err }, "call failed"));
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (cause, found) => {
      if (!cause) resolve(found);
      else reject(new OptionError(`\`grpcPort\` ${port} of ${host} ${reasonOf(cause)}; give another one`, { cause }));
    }),
  );
  return { port: bound, close: () => closed(server, service.timeout) };
}

const reasonOf = ({ message }: Error): string => (message.includes("EADDRINUSE") ? "is in use" : "cannot be used");

/** Resolves when all calls are answered. After `ms` milliseconds the rest is cut off. */
async function closed(server: Server, ms: number): Promise<void> {
  const timer = setTimeout(() => server.forceShutdown(), ms);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(timer);
}
