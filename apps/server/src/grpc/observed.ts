import { randomUUID } from "node:crypto";
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import type { Service } from "../service.ts";
import { traceIdOf } from "../trace.ts";

/** How a call ends. */
type CallStatus = Pick<StatusObject, "code" | "details">;

/** Calls of probes: they need no API key, are answered while the server stops, and are logged for level debug only. */
const PROBES = /\/Server(Live|Ready)$/;

/**
 * Refuses calls without a valid API key, and while the server stops, before their message is read. Logs and counts each
 * call, and passes its request id and trace on.
 */
export function observed(service: Service): ServerInterceptor {
  return ({ path }, call) => {
    const start = performance.now();
    const isProbe = PROBES.test(path);
    let given: CallHeaders | undefined;
    let isDone = false;
    const done = ({ code, details }: CallStatus) => {
      if (isDone) return;
      isDone = true;
      const ms = performance.now() - start;
      const name = status[code];
      service.metrics.countRequest(path, name, ms);
      const { requestId, traceparent } = given ?? {};
      const line = { requestId, traceId: traceIdOf(traceparent), path, status: name, ms };
      const isFault = code === status.INTERNAL || code === status.UNAVAILABLE;
      service.log[isFault ? "error" : isProbe ? "debug" : "info"](
        { ...line, ...(code !== status.OK && { error: details }) },
        "call",
      );
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, proceed) {
            given = headersOf(metadata);
            const refusal = isProbe ? undefined : refusalOf(service, given);
            if (!refusal) return proceed(metadata);
            done(refusal);
            call.sendStatus(refusal);
          },
          onCancel: () => done({ code: status.CANCELLED, details: "" }),
        }),
      sendMetadata(metadata, next) {
        if (given) metadata.set("x-request-id", given.requestId);
        if (traceIdOf(given?.traceparent) !== undefined) metadata.set("traceparent", given!.traceparent!);
        next(metadata);
      },
      sendStatus(found, next) {
        done(found);
        next(found);
      },
    });
  };
}

type CallHeaders = ReturnType<typeof headersOf>;

function headersOf(metadata: Metadata) {
  const first = (name: string) => metadata.get(name)[0]?.toString();
  const id = first("x-request-id");
  return {
    requestId: id !== undefined && /^[\w=-]{1,255}$/.test(id) ? id : randomUUID(),
    traceparent: first("traceparent"),
    authorization: first("authorization"),
    apiKey: first("x-api-key"),
  };
}

function refusalOf(service: Service, { authorization, apiKey }: CallHeaders): CallStatus | undefined {
  if (!service.isAllowed(authorization, apiKey)) {
    const details = "expected a valid API key in the metadata, as authorization: Bearer KEY or x-api-key: KEY";
    return { code: status.UNAUTHENTICATED, details };
  }
  if (service.phase !== "stopping") return undefined;
  return { code: status.UNAVAILABLE, details: "the server stops; send the call to another one" };
}
