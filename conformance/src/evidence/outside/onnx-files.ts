import { readdirSync, readFileSync } from "node:fs";
import { float32 } from "../../suite/arithmetic.ts";
import { readModel, readTensor, type Stored } from "./onnx-proto.ts";
import { onnxRequest } from "./onnx-request.ts";
import type { Operand } from "./operand.ts";
import { isRefusal, unreadable } from "./refusal.ts";
import type { Call, Suite, Vector } from "./request.ts";

/** ONNX's backend tests. Each test is a folder with a model of one node, its inputs and its outputs. */
export function onnxVectors(folder: URL, suite: Suite): readonly Vector[] {
  const names = readdirSync(folder).filter((name) => name.startsWith("test_"));
  return names.toSorted().map((name) => vector(new URL(`${name}/`, folder), name, suite));
}

function vector(folder: URL, name: string, suite: Suite): Vector {
  const { operator, inputs, attributes, given, initializers } = readModel(readFileSync(new URL("model.onnx", folder)));
  const tensors = new Map<string, Stored>(initializers.map((each) => [each.name, each]));
  for (const [i, input] of given.entries()) tensors.set(input, tensorIn(folder, `input_${i}`));
  const { value: expected, format } = tensorIn(folder, "output_0");
  const values = inputs.map((input): Operand | undefined => tensors.get(input)?.value);
  const beyond = () => values.some((each) => each?.data.some((number) => Math.abs(number) > float32.largest));
  const request = beyond()
    ? unreadable("float64 numbers beyond float32's range", beyond)
    : onnxRequest(operator, { inputs: values, attributes, expected });
  const precision = format === "float64" ? "float64" : "float32";
  const call: Call = isRefusal(request)
    ? request
    : { request, expected, making: { computed: precision, recorded: precision } };
  return { suite, name, operator, calls: [call] };
}

function tensorIn(folder: URL, name: string): Stored {
  return readTensor(readFileSync(new URL(`test_data_set_0/${name}.pb`, folder)));
}
