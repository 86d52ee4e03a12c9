import { extname } from "node:path";
import {
  constantsOf,
  modelNameOf,
  type NamedSource,
  type ResNetSpec,
  variants,
  type WorkOptions,
} from "@residual/core";
import { checkPlace } from "@residual/kit/files";
import { writeOnnx } from "@residual/onnx";
import { isGuess, type Prepared } from "@residual/pipeline";
import { engineNames, type GraphModelReport, type QuantizationName } from "@residual/tfjs";
import { checkGraphModelFolder, writeGraphModel } from "@residual/tfjs/node";
import { withCounters, writeNpz, writePyTorch, writeSafetensors } from "@residual/weights";
import { UsageError } from "./errors.ts";
import { oneOf } from "./names.ts";
import { checkNamed } from "./out-path.ts";
import { checkModulePlace, writeModule } from "./pytorch-module.ts";

/** Options for writing a model. */
export interface ModelFileOptions {
  /** The weights to be read, as given. */
  readonly from: string;
  readonly external?: true;
  readonly quantize?: string;
  readonly engine?: string;
}

/** Named tensors without a graph, as in most weights formats. */
interface Bare {
  readonly tensors: ReadonlyMap<string, NamedSource>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Writes models to one path. */
export interface ModelWriter {
  /** Undefined if the format requires a graph. */
  readonly writeBare: ((weights: Bare, work: WorkOptions) => Promise<void>) | undefined;
  readonly write: (prepared: Prepared, work: WorkOptions) => Promise<GraphModelReport | undefined>;
}

type WriteTensors = (
  path: string,
  tensors: ReadonlyMap<string, NamedSource>,
  metadata: Readonly<Record<string, string>>,
  options: WorkOptions,
) => Promise<void>;

/** Writers of formats that hold only tensors, by file extension. */
const tensorWriters: ReadonlyMap<string, WriteTensors> = new Map([
  [".safetensors", writeSafetensors],
  [".pth", writePyTorch],
  [".pt", writePyTorch],
  [".npz", writeNpz],
]);

/** Endings of PyTorch's files, which hold a network's whole state_dict, with the counters of norms. */
const torchEndings: ReadonlySet<string> = new Set([".pth", ".pt"]);

const ENDINGS = [...tensorWriters.keys(), ".onnx", ".py"].join(", ");

/** Checked before work is done: the format of `option`'s path, and whether it can be written. */
export async function modelWriter(to: string, option: string, options: ModelFileOptions): Promise<ModelWriter> {
  const { external = false, quantize, engine } = options;
  checkNamed(to, option);
  const ending = extname(to).toLowerCase();
  const isFolder = ending === "" || to.endsWith("/");
  if (external && ending !== ".onnx") throw new UsageError(`--external goes with an .onnx file, not with ${to}`);
  if ((quantize ?? engine) !== undefined && !isFolder)
    throw new UsageError(`--quantize and --engine go with a folder for a graph model, not with ${to}`);
  if (isFolder) {
    const writer = graphModelWriter(to, options);
    await checkGraphModelFolder(to);
    return writer;
  }
  if (ending === ".py") {
    await checkModulePlace(to, options.from);
    return moduleWriter(to);
  }
  const writer = fileWriter(to, ending, option, external);
  await checkPlace(to);
  return writer;
}

function moduleWriter(to: string): ModelWriter {
  return {
    writeBare: undefined,
    async write(prepared, work) {
      const metadata = { format: "pt", ...modelMetadata(prepared), ...metadataOf(prepared) };
      await writeModule(to, prepared, metadata, work);
      return undefined;
    },
  };
}

function fileWriter(to: string, ending: string, option: string, external: boolean): ModelWriter {
  if (ending === ".onnx")
    return {
      writeBare: undefined,
      async write(prepared, work) {
        await writeOnnxModel(prepared, to, { ...work, external });
        return undefined;
      },
    };
  const write = tensorWriters.get(ending);
  if (!write)
    throw new UsageError(`${option} ${to} ends in ${extname(to)}; expected ${ENDINGS}, or no ending for a folder`);
  return {
    writeBare: ({ tensors, metadata }, work) => write(to, tensors, metadata, work),
    async write(prepared, work) {
      const tensors = new Map(constantsOf(prepared.graph).map(({ name, source }) => [name, source]));
      const state = torchEndings.has(ending) ? withCounters(tensors) : tensors;
      await write(to, state, { format: "pt", ...modelMetadata(prepared), ...metadataOf(prepared) }, work);
      return undefined;
    },
  };
}

/** Writes an .onnx file with the metadata that its readers need. Throws errors of `writeOnnx`. */
export async function writeOnnxModel(
  prepared: Prepared,
  path: string,
  options: WorkOptions & { readonly external?: boolean },
): Promise<void> {
  const { spec } = modelMetadata(prepared); // the file's graph defines the rest
  const metadata = { ...(spec !== undefined && { spec }), ...metadataOf(prepared) };
  await writeOnnx(prepared.graph, path, { ...options, metadata });
}

const dtypes: readonly QuantizationName[] = ["uint8", "float16"];

function graphModelWriter(to: string, { quantize, engine }: ModelFileOptions): ModelWriter {
  const options = {
    ...(quantize !== undefined && { quantization: oneOf(quantize, dtypes, "dtype") }),
    ...(engine !== undefined && { engine: oneOf(engine, engineNames, "engine") }),
  };
  return {
    writeBare: undefined,
    write: (prepared, work) =>
      writeGraphModel(prepared.graph, to, {
        ...options,
        ...work,
        metadata: { ...modelMetadata(prepared), ...metadataOf(prepared) },
      }),
  };
}

/** A summary of the written model. */
export function reportWords({ bytes, shards, quantization }: GraphModelReport): readonly string[] {
  const files = `${shards} ${shards === 1 ? "file" : "files"}`;
  const size = `a TensorFlow.js graph model of ${(bytes / 2 ** 20).toFixed(1)} MiB, its weights in ${files}`;
  if (!quantization) return [size];
  const { dtype, worst, relative } = quantization;
  const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;
  return [
    `${size}, in ${dtype}`,
    `whose numbers change by ${percent(relative)} over all (root mean square),`,
    `most in ${worst.weight}:`,
    `by up to ${worst.error.toPrecision(2)}, ${percent(worst.error / worst.largest)} of its largest number`,
  ];
}

/** The model's name, and its norms' epsilon if it differs from the row's; the structure if it has no name. */
function modelMetadata({ model, spec }: Pick<Prepared, "model" | "spec">): Readonly<Record<string, string>> {
  const name = modelNameOf(model);
  if (name === undefined) {
    const { preprocessing: _, labels: __, ...structure } = spec;
    return { spec: JSON.stringify(structure) };
  }
  const row: ResNetSpec = variants[name];
  return { model, ...(spec.epsilon !== row.epsilon && { epsilon: String(spec.epsilon) }) };
}

/** The metadata that readers of the file need. `guessed` names the entries that were guesses. */
function metadataOf({
  preprocessing,
  preprocessingSource,
  labels,
  labelsSource,
  activation,
}: Omit<Prepared, "graph">): Readonly<Record<string, string>> {
  const guessed = [
    ...(isGuess(preprocessingSource) ? ["preprocessing"] : []),
    ...(isGuess(labelsSource) ? ["classes"] : []),
  ];
  return {
    ...(preprocessing && { preprocessing: JSON.stringify(preprocessing) }),
    ...(labels && { classes: JSON.stringify(labels) }),
    ...(activation !== undefined && { activation }),
    ...(guessed.length > 0 && { guessed: guessed.join(",") }),
  };
}
