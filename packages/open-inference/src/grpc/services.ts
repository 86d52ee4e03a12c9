import { fileURLToPath } from "node:url";
import type { Server } from "@grpc/grpc-js";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";
import { FormatError } from "@residual/core";
import type { InferenceService } from "../service.ts";
import { inferenceCalls, repositoryCalls } from "./calls.ts";
import type { OnFault } from "./unary.ts";

/**
 * Adds the official GRPCInferenceService to a server, with Triton's calls for a model repository. `onFault` is called
 * with errors that are answered INTERNAL.
 */
export function addInferenceServices(server: Server, service: InferenceService, onFault: OnFault = () => {}): void {
  server.addService(serviceIn("open_inference_grpc.proto"), inferenceCalls(service, onFault));
  server.addService(serviceIn("model_repository.proto"), repositoryCalls(service, onFault));
}

/** The service that a file of ../../proto declares. */
export function serviceIn(file: string): ServiceDefinition {
  const path = fileURLToPath(new URL(`../../proto/${file}`, import.meta.url));
  const options = { keepCase: true, longs: Number, arrays: true, objects: true, defaults: true, oneofs: true } as const;
  const found = loadSync(path, options)["inference.GRPCInferenceService"];
  if (!found || "format" in found) throw new FormatError(`${file} declares no GRPCInferenceService`);
  return found;
}
