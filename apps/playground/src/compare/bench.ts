import type { Bisection, Check, Level } from "@residual/conformance";
import { type Backend, modelNames, type Tensor, type WorkOptions } from "@residual/core";
import { type BackendName, backendNamed, type Classifier, load } from "@residual/pipeline";
import { type Prediction, topK } from "@residual/vision";
import { type NetworkChoice, optionsOf } from "../engine/network-choice.ts";
import { page, wasmPaths } from "../engine/site.ts";
import type { Answers } from "./answers.ts";
import { type FaultName, withFault } from "./faults.ts";
import { type Held, watchMemory } from "./memory.ts";

/** The work of a worker that runs one backend and then ends. */

interface EngineChoice {
  readonly backend: BackendName;
  readonly fault?: FaultName | undefined;
}

export interface MeasureRequest extends EngineChoice {
  readonly network: NetworkChoice;
  readonly image: Tensor<"float32">;
  /** The runs that are timed, after the first. */
  readonly runs: number;
}

export interface Measured {
  readonly library: string;
  readonly device: string;
  /** Milliseconds: from nothing to ready, the first run, the others. */
  readonly loadMs: number;
  readonly firstMs: number;
  readonly runsMs: readonly number[];
  readonly predictions: readonly Prediction[];
  readonly held: Held;
  /** Bytes of JavaScript and WebAssembly, where the browser tells the page. */
  readonly browserBytes?: number | undefined;
}

export interface Verdict {
  /** The largest share of a bound, of any node alone. */
  readonly share: number;
  /** The check of each node alone, in the order in which nodes run. */
  readonly checks: readonly Check[];
  readonly bisection: Bisection;
}

export interface ConformRequest extends EngineChoice {
  /** Only this network, where the suite has PyTorch's answers of it. Default: one network of each kind. */
  readonly model?: string | undefined;
  readonly levels: readonly Level[];
}

export interface Conformed {
  readonly passed: boolean;
  readonly verdict: string;
  readonly checks: number;
  readonly failed: number;
  readonly largestShare: number;
  readonly html: string;
  readonly json: string;
  readonly junit: string;
}

const held = watchMemory();
let subject: { readonly backend: Backend; readonly classifier: Classifier; readonly image: Tensor<"float32"> };

export const bench = {
  async measure({ network, image, runs, ...choice }: MeasureRequest, work: WorkOptions): Promise<Measured> {
    const start = performance.now();
    const backend = await backendOf(choice);
    const classifier = await load({ ...optionsOf(network), backend, ...work });
    const loadMs = performance.now() - start;
    subject = { backend, classifier, image };
    const first = await timed(classifier, image, work);
    const runsMs = await timesOf(classifier, image, runs, work);
    const { library, version, device } = classifier.backend;
    return {
      library: version.startsWith("Mozilla") ? library : `${library} ${version}`, // a browser's own WebGPU
      device,
      loadMs,
      firstMs: first.ms,
      runsMs,
      predictions: topK(first.logits, 3, classifier.labels)[0]!,
      held: held(),
    };
  },

  /** Holds what `measure` has loaded against the right answers, node by node. */
  async hold({ port }: { readonly port: MessagePort }, work: WorkOptions): Promise<Verdict> {
    const answers = await new Promise<Answers>((resolve) => {
      port.onmessage = ({ data }: MessageEvent<Answers>) => resolve(data);
    });
    const { bisect, largestShare } = await import("@residual/conformance");
    const { backend, classifier, image } = subject;
    const checks: Check[] = [];
    const onNode = (check: Check) => checks.push(check);
    const bisection = await bisect(
      backend,
      { graph: classifier.graph, inputs: { image } },
      { ...work, answers, onNode },
    );
    return { share: largestShare(checks), checks, bisection };
  },

  /** `residual conform --level quick`. */
  async conform({ model, levels, ...choice }: ConformRequest, work: WorkOptions): Promise<Conformed> {
    const suite = await import("@residual/conformance");
    const models = modelNames.filter((name) => name === model);
    const report = await suite.conform(await backendOf(choice), {
      ...work,
      goldens: new URL("golden/", page),
      only: [...levels, "images"], // a report says what it skips
      ...(models.length > 0 && { models }),
    });
    const checks = report.sections.flatMap((section) => section.checks);
    return {
      passed: report.passed,
      verdict: suite.verdictOf(report),
      checks: checks.length,
      failed: checks.filter(({ passed }) => !passed).length,
      largestShare: suite.largestShare(checks),
      html: suite.toHtml([report]),
      json: suite.toJson([report]),
      junit: suite.toJunit([report]),
    };
  },
};

async function backendOf({ backend, fault }: EngineChoice): Promise<Backend> {
  const found = await backendNamed(backend, { wasmPaths });
  return fault === undefined ? found : withFault(found, fault);
}

async function timed({ executable }: Classifier, image: Tensor<"float32">, work: WorkOptions) {
  const start = performance.now();
  const { logits } = await executable.run({ image }, work);
  return { logits, ms: performance.now() - start };
}

/** No more runs are begun after this time, so that a large network on a slow backend does not take minutes. */
const MOST_MILLISECONDS = 4000;

async function timesOf(
  classifier: Classifier,
  image: Tensor<"float32">,
  runs: number,
  work: WorkOptions,
): Promise<readonly number[]> {
  const times: number[] = [];
  const end = performance.now() + MOST_MILLISECONDS;
  while (times.length < runs && (times.length < 3 || performance.now() < end)) {
    times.push((await timed(classifier, image, work)).ms);
    work.onProgress?.({ stage: "runs", done: times.length, total: runs });
  }
  return times;
}
