import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { ServiceDefinition } from "@grpc/proto-loader";
import { serviceIn } from "../grpc/services.ts";

export const methods: ServiceDefinition = {
  ...serviceIn("open_inference_grpc.proto"),
  ...serviceIn("model_repository.proto"),
};

interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** A client made from the .proto files. A call gives its message, or rejects with the status. */
export class GrpcClient implements Disposable {
  readonly #client: Client;
  /** The response metadata of the last call. */
  metadata = new Metadata();

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { "grpc.max_receive_message_length": -1 });
  }

  call(name: string, message: object = {}, { metadata = {}, deadline, signal }: CallOptions = {}): Promise<object> {
    const { path, requestSerialize, responseDeserialize } = methods[name]!;
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    return new Promise((resolve, reject) => {
      const limit = deadline === undefined ? {} : { deadline: Date.now() + deadline };
      const done = (error: ServiceError | null, value?: object) => (error ? reject(error) : resolve(value!));
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        sent,
        limit,
        done,
      );
      call.on("metadata", (found: Metadata) => {
        this.metadata = found;
      });
      signal?.addEventListener("abort", () => call.cancel());
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
