import { z } from "zod";

const text = z.string();

const prediction = z.object({ label: text, index: z.int(), probability: z.number() });
const failed = z.object({ image: text, error: z.object({ code: text, message: text }) });
const embedding = z.array(z.number());

/** The answer to one picture as the body, and to a form with pictures. */
const oneOrMany = <Shape extends z.ZodRawShape>(result: Shape) =>
  z.union([
    z.object({ model: text, ...result }),
    z.object({ model: text, results: z.array(z.union([z.object({ image: text, ...result }), failed])) }),
  ]);
export const classified = oneOrMany({ predictions: z.array(prediction) });
export const embedded = oneOrMany({ embedding });

export const cam = z.object({
  model: text,
  prediction,
  predictions: z.array(prediction),
  map: z.object({ shape: z.array(z.int()), data: z.array(z.number()) }),
  area: z.object({ left: z.number(), top: z.number(), width: z.number(), height: z.number() }),
});

const whole = z.coerce.number().int().min(1);
export const pictureQuery = z.object({
  model: text.optional(),
  timeout: whole.optional().describe("milliseconds; the request is given up if it has not started by then"),
});
export const classifyQuery = pictureQuery.extend({ top: whole.max(10_000).default(5) });
export const camQuery = classifyQuery.extend({ class: text.optional().describe("index or label") });

/** The bytes of a picture, or a form whose files are pictures. */
export const bytes = text.meta({ format: "binary" });
export const picture = { "image/*": bytes, "application/octet-stream": bytes };
export const pictures = { ...picture, "multipart/form-data": z.object({ image: z.array(bytes) }) };
