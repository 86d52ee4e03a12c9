import { readdirSync, readFileSync } from "node:fs";
import { sizeOf } from "@residual/core";
import { type FloatFormat, isFloat } from "./formats.ts";
import { type Operand, operand } from "./operand.ts";
import { isRefusal, noFormat, unreadable } from "./refusal.ts";
import type { Call, Making, Vector } from "./request.ts";
import { type WebnnArguments, webnnCall } from "./webnn-request.ts";

/**
 * A tensor as both collections write it. A single number fills the tensor. null stands for numbers that JSON cannot
 * write.
 */
interface RawTensor {
  readonly shape?: readonly number[];
  readonly data: number | readonly (number | null)[];
}

/** An operator's answer, and its largest difference from the answer of upstream's own code. */
interface RecordedAnswer extends RawTensor {
  readonly of: number;
  readonly maxAbsDiffOfUpstreamReference: number;
}

interface Baseline {
  readonly name: string;
  readonly operators: readonly { readonly op: string; readonly args: readonly unknown[] }[];
  readonly expected: readonly RecordedAnswer[];
}

interface Described {
  readonly data: RawTensor["data"];
  readonly descriptor: { readonly shape: readonly number[]; readonly dataType: string };
  readonly constant?: boolean;
}

interface Wpt {
  readonly name: string;
  readonly graph: {
    readonly inputs: { readonly [name: string]: Described };
    readonly operators: readonly { readonly name: string; readonly arguments: readonly object[] }[];
    readonly expectedOutputs: { readonly [name: string]: Described };
  };
}

function testsOf<Test>(folder: URL): readonly Test[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files
    .toSorted()
    .flatMap((file) => (JSON.parse(readFileSync(new URL(file, folder), "utf8")) as { tests: Test[] }).tests);
}

/** The cases of webnn-baseline. Inputs are decimal numbers. Answers were computed in float64. */
export function baselineVectors(folder: URL): readonly Vector[] {
  return testsOf<Baseline>(folder).map(({ name, operators, expected }) => ({
    suite: "webnn/baseline",
    name,
    operator: operators[0]!.op,
    calls: expected.map((answer) => baselineCall(operators[answer.of]!, answer)),
  }));
}

function baselineCall({ op, args }: Baseline["operators"][number], answer: RecordedAnswer): Call {
  const names = op.includes("uantize") ? [] : (positions[op] ?? ["input", "options"]);
  const { options, ...rest } = Object.fromEntries(names.map((name, i) => [name, args[i]])) as { options?: object };
  const given = tensorsIn({ ...rest, ...options });
  if (answer.maxAbsDiffOfUpstreamReference === 0)
    return made(webnnCall(op, given, rawOperand(answer, false)), inside("float64"));
  return made(webnnCall(op, given, float32Decimals(answer)), inside("float32"));
}

/** Answers that upstream copied from elsewhere and its own code does not give: float32 numbers in eight digits. */
function float32Decimals({ shape, data }: RawTensor): Operand {
  const numbers = (data as readonly number[]).map(Math.fround);
  return rawOperand(shape ? { shape, data: numbers } : { data: numbers }, false);
}

const binary: readonly string[] = ["a", "b", "options"];
const positions: { readonly [operator: string]: readonly string[] } = {
  ...Object.fromEntries(["add", "sub", "mul", "div", "max", "min", "pow", "matmul", "gemm"].map((op) => [op, binary])),
  batchNormalization: ["input", "mean", "variance", "options"],
  concat: ["inputs", "axis"],
  conv2d: ["input", "filter", "options"],
  pad: ["input", "beginningPadding", "endingPadding", "options"],
  reshape: ["input", "newShape"],
  slice: ["input", "starts", "sizes", "options"],
  softmax: ["input", "axis"],
};

/** The inputs that a network would hold as parameters. */
const parameters = ["filter", "bias", "mean", "variance", "scale"];

function tensorsIn(given: { readonly [name: string]: unknown }): WebnnArguments {
  const read = ([name, value]: readonly [string, unknown]): [string, unknown] => {
    if (Array.isArray(value))
      return [name, value.map((each: unknown) => (isRaw(each) ? rawOperand(each, false) : each))];
    return [name, isRaw(value) ? rawOperand(value, parameters.includes(name)) : value];
  };
  return Object.fromEntries(Object.entries(given).map(read));
}

function isRaw(value: unknown): value is RawTensor {
  return typeof value === "object" && value !== null && "data" in value;
}

function rawOperand({ shape, data }: RawTensor, constant: boolean): Operand {
  if (typeof data === "number") return operand(shape!, new Float64Array(sizeOf(shape!)).fill(data), constant);
  return operand(shape ?? [data.length], data as readonly number[], constant);
}

/** The cases of web-platform-tests: float32 numbers, and answers that are right to the last bit or nearly so. */
export function wptVectors(folder: URL): readonly Vector[] {
  return testsOf<Wpt>(folder).map(({ name, graph }) => {
    const [operator] = graph.operators;
    return { suite: "webnn/wpt", name, operator: operator!.name, calls: [wptCall(operator!, graph)] };
  });
}

function wptCall({ name, arguments: given }: Wpt["graph"]["operators"][number], graph: Wpt["graph"]): Call {
  const [answer] = Object.values(graph.expectedOutputs) as [Described];
  const tensors = [...Object.values(graph.inputs), answer];
  const other = tensors.find(({ descriptor }) => !isFloat(descriptor.dataType));
  if (other) return noFormat(other.descriptor.dataType);
  const recorded = answer.descriptor.dataType as FloatFormat;
  const { options, ...rest } = Object.assign({}, ...given) as { readonly options?: object };
  const values: { readonly [name: string]: unknown } = { ...rest, ...options };
  const lost = () => Object.values(values).includes(null) || tensors.some(({ data }) => hasNull(data));
  if (lost()) return unreadable("its infinities and NaN were lost on the way into JSON, as null", lost);
  const described = (value: unknown): unknown => {
    // Options of float16 operators are float32 too: the recorded answers follow from float32 options, not from float16.
    if (typeof value === "number") return Math.fround(value);
    return isName(value, graph.inputs) ? wptOperand(graph.inputs[value]!) : value;
  };
  const entries = Object.entries(values).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.map(described) : described(value),
  ]);
  const call = webnnCall(name, Object.fromEntries(entries) as WebnnArguments, wptOperand(answer));
  const computed = float32Made.includes(name) && recorded === "float32" ? "float32" : "float64";
  return made(call, { computed, recorded });
}

/**
 * Off by up to 2 ulp of the float64 result, says the data's README. All other answers are the float64 result rounded
 * once.
 */
const float32Made = ["batchNormalization"];

function inside(format: "float32" | "float64"): Making {
  return { computed: format, recorded: format };
}

function made(call: ReturnType<typeof webnnCall>, making: Making): Call {
  return isRefusal(call) ? call : { ...call, making };
}

function hasNull(data: RawTensor["data"]): boolean {
  return typeof data !== "number" && data.includes(null);
}

function isName(value: unknown, inputs: Wpt["graph"]["inputs"]): value is string {
  return typeof value === "string" && value in inputs;
}

function wptOperand({ data, descriptor: { shape }, constant = false }: Described): Operand {
  return rawOperand({ shape, data }, constant);
}
