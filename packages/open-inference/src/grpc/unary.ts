import { type handleUnaryCall, Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { retryAfterOf, shownError, statusOf } from "../errors.ts";

/** Options of a call's work. */
export interface CallWork {
  /** Aborted once the client cancels, or its deadline passes. */
  readonly signal: AbortSignal;
  /** Milliseconds from now. Infinite if the client states none. */
  readonly deadline: number;
}

/** Called with an error that is a fault of the server: the client learns no more than that. */
export type OnFault = (error: unknown) => void;

/** Makes handlers that answer a call with one message, or an error with its status. */
export function unaryWith(onFault: OnFault) {
  return <Message>(
    answer: (message: Message, work: CallWork) => object | Promise<object>,
  ): handleUnaryCall<Message, object> =>
    (call, callback) => {
      const controller = new AbortController();
      call.on("cancelled", () => controller.abort());
      const deadline = Number(call.getDeadline()) - Date.now();
      const work = async () => answer(call.request, { signal: controller.signal, deadline });
      work().then(
        (message) => callback(null, message),
        (error: unknown) => {
          const found = callStatus(error);
          if (found.code === status.INTERNAL) onFault(error);
          callback(found);
        },
      );
    };
}

/** gRPC's code for HTTP's status. Other statuses from 400 are INVALID_ARGUMENT, from 500 INTERNAL. */
const codes: { readonly [http: number]: status } = {
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  499: status.CANCELLED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

/** The status of an error, and for an overload the time after which a client that retries should do so. */
function callStatus(error: unknown): StatusObject {
  const http = statusOf(error);
  const code = codes[http] ?? (http < 500 ? status.INVALID_ARGUMENT : status.INTERNAL);
  const metadata = new Metadata();
  const retryAfter = retryAfterOf(error);
  if (retryAfter !== undefined) metadata.set("grpc-retry-pushback-ms", String(1000 * retryAfter));
  return { code, details: shownError(error).error, metadata };
}
