import { type Tensor, tensorOf, WeightsError } from "@residual/core";
import { Hono } from "hono";
import { mount } from "../http/mount.ts";
import { protocolRoutes } from "../http/routes.ts";
import type { InferenceService, Model } from "../service.ts";

/**
 * A model that can be checked by hand. `sums` has the sum of each plane of an image [N, 3, 2, 2], `embedding` the
 * first element. It throws WeightsError for a sum that float32 does not hold.
 */
export const sums: Model = {
  name: "sums",
  state: "ready",
  inputs: [{ name: "image", shape: ["N", 3, 2, 2] }],
  outputs: [
    { name: "sums", shape: ["N", 3] },
    { name: "embedding", shape: ["N", 1] },
  ],
  labels: ["red", "green", "blue"],
  async infer({ shape: [images = 0], data }: Tensor<"float32">) {
    const found = Array.from({ length: images * 3 }, (_, plane) =>
      data.subarray(4 * plane, 4 * plane + 4).reduce((sum, value) => sum + value, 0),
    );
    if (found.some((sum) => sum > 3.4e38)) throw new WeightsError("sums: a sum is not finite in float32");
    const first = Array.from({ length: images }, (_, image) => data[12 * image]!);
    return {
      sums: tensorOf("float32", [images, 3], Float32Array.from(found)),
      embedding: tensorOf("float32", [images, 1], Float32Array.from(first)),
    };
  },
};

/** A service with `sums`, and with a listed model that is not loaded. */
export function serviceOf(change: Partial<InferenceService> = {}): InferenceService {
  return {
    about: { name: "example", version: "1.2.3" },
    models: new Map([["sums", sums]]),
    listed: ["sums", "other"],
    phase: "ready",
    maxBytes: 10_000,
    maxImages: 4,
    timeout: 1000,
    ...change,
  };
}

/** The numbers 1 to 12: the planes' sums are 10, 26 and 42. */
export const image: readonly number[] = Array.from({ length: 12 }, (_, index) => index + 1);

/** A request of infer. */
export const inferBody = (change: object = {}, rest: object = {}): string => {
  const input = { name: "image", shape: [1, 3, 2, 2], datatype: "FP32", data: image, ...change };
  return JSON.stringify({ inputs: [input], ...rest });
};

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Asks the routes of a service. The answer's body is parsed if it is JSON. */
export function askerOf(service: InferenceService) {
  const app = new Hono();
  mount(app, protocolRoutes, service);
  return async (path: string, init?: RequestInit): Promise<Answered> => {
    const response = await app.request(path, init);
    const isJson = response.headers.get("Content-Type")?.includes("json");
    const body = isJson ? await response.json() : new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
  };
}

/** A request's `init` of POST. */
export const posted = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body,
  headers,
});
