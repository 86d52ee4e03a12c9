import {
  type AnyNode,
  concrete,
  readTensor,
  ShapeError,
  type Tensor,
  tensorOf,
  type Value,
  valuesOf,
  type WorkOptions,
} from "@residual/core";
import type { Classifier } from "@residual/pipeline";
import { type Section, sectionsOf } from "./sections.ts";

type Given = Tensor<"float32">;
type Values = ReadonlyMap<string, Given>;

/** Sections whose values stay in memory: a stage of ResNet-50 as its graph is written takes some 50 MB. */
const KEPT = 2;

/**
 * The values inside a network for one picture, as its backend computed them. A section is computed when it is first
 * looked at. All of its values are outputs, so that none is folded into another: the graph runs as it is written.
 */
export class Activations {
  readonly classifier: Classifier;
  readonly #picture: Blob;
  readonly #sections: readonly Section[];
  readonly #values: ReadonlyMap<string, Value>;
  readonly #computed = new Map<Section, Promise<Values>>();
  #lastInputs:
    | { readonly node: AnyNode; readonly constants: Promise<readonly (readonly [string, Given])[]> }
    | undefined;

  constructor(classifier: Classifier, picture: Blob) {
    this.classifier = classifier;
    this.#picture = picture;
    this.#sections = sectionsOf(classifier.graph);
    this.#values = new Map(valuesOf(classifier.graph).map((value) => [value.name, value]));
  }

  /** Throws ShapeError for a name that is no node's. */
  node(name: string): AnyNode {
    const value = this.#values.get(name);
    if (value?.kind === "node") return value;
    throw new ShapeError("inside", `${this.classifier.model} has no layer ${name}`);
  }

  /** A node's output, [1, C, H, W] or [1, C]. */
  async valueOf(node: AnyNode, work: WorkOptions = {}): Promise<Given> {
    return (await this.sectionOf(node, work)).get(node.name)!;
  }

  /** The inputs of a node by the op's names, parameters included. */
  async inputsOf(node: AnyNode): Promise<{ readonly [input: string]: Given }> {
    const values = await this.sectionOf(node);
    const data = Object.entries(node.inputs).flatMap(([input, { name }]) => {
      const known = values.get(name);
      return known ? [[input, known] as const] : [];
    });
    if (this.#lastInputs?.node !== node) this.#lastInputs = { node, constants: constantsOf(node) };
    return Object.fromEntries([...data, ...(await this.#lastInputs.constants)]);
  }

  /** The values of a node's section. */
  async sectionOf(node: AnyNode, work: WorkOptions = {}): Promise<Values> {
    const section = this.#sections.find(({ nodes }) => nodes.includes(node))!;
    const computing = this.#computed.get(section) ?? this.#compute(section, work);
    this.#computed.delete(section);
    this.#computed.set(section, computing); // the latest last
    for (const [old] of [...this.#computed].slice(0, -KEPT)) this.#computed.delete(old);
    try {
      return await computing;
    } catch (error) {
      this.#computed.delete(section); // the next call tries again
      throw error;
    }
  }

  async #compute({ names }: Section, { signal }: WorkOptions): Promise<Values> {
    const found = await this.classifier.features(names, this.#picture, { signal });
    return new Map(
      names.map((name) => {
        const { shape } = this.#values.get(name)!;
        return [name, tensorOf("float32", concrete(shape, 1), found[name]!.data)] as const;
      }),
    );
  }
}

/** A node's parameters in float32, as backends hold them. */
async function constantsOf(node: AnyNode): Promise<readonly (readonly [string, Given])[]> {
  const found = Object.entries(node.inputs).map(async ([input, value]) => {
    if (value.kind !== "constant" && value.kind !== "variable") return [];
    const { shape, data } = await readTensor(value.source);
    return [[input, tensorOf("float32", shape, Float32Array.from(data))] as const];
  });
  return (await Promise.all(found)).flat();
}
