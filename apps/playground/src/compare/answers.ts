import type { NodeAnswer } from "@residual/conformance";
import { drawGraph, type Graph, optimize, type Tensor, tensorOf, type WorkOptions } from "@residual/core";
import { load } from "@residual/pipeline";
import { decodeImage, type Prediction, preprocess, topK } from "@residual/vision";
import { type NetworkChoice, optionsOf } from "../engine/network-choice.ts";
import { MAX_PIXELS } from "../engine/site.ts";

/** The work of the worker that computes what is right, once for all backends. */

/** The right answer of each node, in float64, with the bound of each element. */
export type Answers = readonly NodeAnswer[];

export interface AnswersRequest {
  readonly network: NetworkChoice;
  readonly picture: Blob;
  /** The width of the drawing, in pixels. */
  readonly width: number;
}

export interface RightAnswers {
  readonly model: string;
  readonly weights: string;
  /** The picture as every backend gets it. */
  readonly image: Tensor<"float32">;
  /** The layers, of which the worker keeps the answers. */
  readonly layers: number;
  readonly predictions: readonly Prediction[];
  /** SVG of the network as backends run it, for each theme. */
  readonly drawings: { readonly light: string; readonly dark: string };
}

let kept: Answers = [];

export const reference = {
  async answer({ network, picture, width }: AnswersRequest, work: WorkOptions): Promise<RightAnswers> {
    const { nodeAnswers } = await import("@residual/conformance");
    await using classifier = await load({ ...optionsOf(network), backend: "reference", ...work });
    const { graph, preprocessing, labels, model, weights } = classifier;
    const { upright } = preprocessing;
    const pixels = await decodeImage(picture, { signal: work.signal, upright, maxPixels: MAX_PIXELS });
    const image = preprocess(pixels, preprocessing);
    const answers: NodeAnswer[] = [];
    for await (const answer of nodeAnswers({ graph, inputs: { image } }, work)) answers.push(answer);
    const lean = optimize(graph);
    const predictions = topK(logitsOf(lean, answers), 3, labels)[0]!;
    const drawn = (theme: "light" | "dark") => drawGraph(lean, { open: true, theme, width });
    const drawings = { light: drawn("light"), dark: drawn("dark") };
    kept = answers;
    return { model, weights, image, layers: answers.length, predictions, drawings };
  },

  /** Gives the answers to another worker. They pass by the page, whose thread 200 MB of them would hold up. */
  async share({ port }: { readonly port: MessagePort }): Promise<void> {
    port.postMessage(kept);
    port.close();
  },
};

function logitsOf({ outputs }: Graph<"image", "logits">, answers: Answers): Tensor<"float64"> {
  const { name, shape } = outputs.logits;
  const { value } = answers.find((answer) => answer.name === name)!;
  return tensorOf("float64", [1, Number(shape[1])], value);
}
