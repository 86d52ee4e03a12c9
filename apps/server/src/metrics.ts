import type { BatchReport, ServedModel, Serving } from "@residual/pipeline/serving";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Seconds, from a small model's run to a full queue. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const IMAGES = [1, 2, 4, 8, 16, 32, 64, 128];

/** What `/metrics` tells Prometheus, besides Node's own memory, CPU time and event loop. */
export class Metrics {
  readonly registry: Registry = new Registry();
  readonly #requests = new Counter({
    name: "residual_requests_total",
    help: "Answered requests",
    labelNames: ["route", "status"],
    registers: [this.registry],
  });
  readonly #latency = this.#histogram("residual_request_seconds", "From a request's header to its answer", "route");
  readonly #queued = this.#histogram("residual_queue_seconds", "Wait of an image until its batch starts", "model");
  readonly #runs = this.#histogram("residual_batch_seconds", "Run of a batch", "model");
  readonly #images = this.#histogram("residual_batch_images", "Images of a batch", "model", IMAGES);

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Reads the state of the models when Prometheus asks. */
  watch(serving: Serving): void {
    const gauge = (name: string, help: string, value: (model: ServedModel) => number) =>
      new Gauge({
        name,
        help,
        labelNames: ["model"],
        registers: [this.registry],
        collect() {
          this.reset(); // an unloaded model has no numbers
          for (const [name, model] of serving.models) this.set({ model: name }, value(model));
        },
      });
    gauge("residual_model_ready", "1 if the model is ready", ({ state }) => Number(state === "ready"));
    gauge("residual_queue_images", "Images that wait", ({ queue }) => queue.waiting);
  }

  countRequest(route: string, status: number | string, ms: number): void {
    this.#requests.inc({ route, status });
    this.#latency.observe({ route }, ms / 1000);
  }

  countBatch({ model, images, waited, ms }: BatchReport): void {
    this.#images.observe({ model }, images);
    this.#runs.observe({ model }, ms / 1000);
    for (const each of waited) this.#queued.observe({ model }, each / 1000);
  }

  #histogram(name: string, help: string, label: "route" | "model", buckets = SECONDS): Histogram<"route" | "model"> {
    return new Histogram({ name, help, labelNames: [label], buckets, registers: [this.registry] });
  }
}
