import { z } from "zod";

const text = z.string();

/** Parameters of requests, their inputs and outputs. Triton ignores unknown ones too. */
const parameters = z.looseObject({
  binary_data_size: z.int().min(0).optional(),
  binary_data: z.boolean().optional(),
  binary_data_output: z.boolean().optional(),
  classification: z.int().min(1).optional(),
  timeout: z.int().min(1).optional().describe("microseconds, as in Triton"),
});

const values = z.unknown().meta({ type: "array", description: "row-major, flat or nested as the shape" });
const shape = z.array(z.int().min(0)).max(8);

const tensor = z.object({
  name: text,
  shape,
  datatype: text,
  parameters: parameters.optional(),
  data: values.optional(),
});
const requested = z.object({ name: text, parameters: parameters.optional() });

export const inferRequest = z.object({
  id: text.optional(),
  parameters: parameters.optional(),
  inputs: z.array(tensor).min(1).max(16),
  outputs: z.array(requested).max(16).optional(),
});

export const inferResponse = z.object({
  model_name: text,
  model_version: text,
  id: text.optional(),
  outputs: z.array(tensor),
});

const tensorMetadata = z.object({ name: text, datatype: text, shape: z.array(z.int()) });

export const modelMetadata = z.object({
  name: text,
  versions: z.array(text),
  platform: text,
  inputs: z.array(tensorMetadata),
  outputs: z.array(tensorMetadata),
});

export const serverMetadata = z.object({ name: text, version: text, extensions: z.array(text) });
export const live = z.object({ live: z.boolean() });
export const ready = z.object({ ready: z.boolean() });
export const modelReady = z.object({ name: text, ready: z.boolean() });
export const indexRequest = z.object({ ready: z.boolean().optional() });
const state = z.enum(["READY", "UNAVAILABLE"]);
export const index = z.array(z.object({ name: text, version: text, state, reason: text }));

export const failure = z.object({ error: text, code: text });
