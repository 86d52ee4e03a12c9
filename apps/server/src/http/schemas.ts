import { z } from "zod";

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

export const inferRequest = z.object({
  id: z.string().optional(),
  parameters: parameters.optional(),
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape,
        datatype: z.string(),
        parameters: parameters.optional(),
        data: values.optional(),
      }),
    )
    .min(1)
    .max(16),
  outputs: z
    .array(z.object({ name: z.string(), parameters: parameters.optional() }))
    .max(16)
    .optional(),
});

export const inferResponse = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(z.object({ name: z.string(), shape, datatype: z.string(), data: values.optional() })),
});

const tensorMetadata = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) });

export const modelMetadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensorMetadata),
  outputs: z.array(tensorMetadata),
});

export const serverMetadata = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
export const live = z.object({ live: z.boolean() });
export const ready = z.object({ ready: z.boolean() });
export const modelReady = z.object({ name: z.string(), ready: z.boolean() });
export const indexRequest = z.object({ ready: z.boolean().optional() });
export const index = z.array(
  z.object({ name: z.string(), version: z.string(), state: z.enum(["READY", "UNAVAILABLE"]), reason: z.string() }),
);

export const failure = z.object({ error: z.string(), code: z.string() });

const prediction = z.object({ label: z.string(), index: z.int(), probability: z.number() });
const failed = z.object({ image: z.string(), error: z.object({ code: z.string(), message: z.string() }) });
const embedding = z.array(z.number());

/** The answer to one picture as the body, and to a form with pictures. */
const oneOrMany = <Shape extends z.ZodRawShape>(result: Shape) =>
  z.union([
    z.object({ model: z.string(), ...result }),
    z.object({ model: z.string(), results: z.array(z.union([z.object({ image: z.string(), ...result }), failed])) }),
  ]);
export const classified = oneOrMany({ predictions: z.array(prediction) });
export const embedded = oneOrMany({ embedding });

export const cam = z.object({
  model: z.string(),
  prediction,
  predictions: z.array(prediction),
  map: z.object({ shape: z.array(z.int()), data: z.array(z.number()) }),
  area: z.object({ left: z.number(), top: z.number(), width: z.number(), height: z.number() }),
});

const whole = z.coerce.number().int().min(1);
export const pictureQuery = z.object({
  model: z.string().optional(),
  timeout: whole.optional().describe("milliseconds; the request is given up if it has not started by then"),
});
export const classifyQuery = pictureQuery.extend({ top: whole.max(10_000).default(5) });
export const camQuery = classifyQuery.extend({ class: z.string().optional().describe("index or label") });

/** The bytes of a picture, or a form whose files are pictures. */
export const bytes = z.string().meta({ format: "binary" });
export const picture = { "image/*": bytes, "application/octet-stream": bytes };
export const pictures = { ...picture, "multipart/form-data": z.object({ image: z.array(bytes) }) };
