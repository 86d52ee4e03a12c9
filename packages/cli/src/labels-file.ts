import { readFile, stat } from "node:fs/promises";
import { describeValue, FormatError } from "@residual/core";
import { shown } from "@residual/kit/bytes";

/** The longest file of names, in bytes. */
const LONGEST = 8 << 20;

/**
 * The names of classes, in order, from a file: one per line; or JSON: a list, an object of names by index (`{"0":
 * "cat"}`, also Keras' `{"0": ["n02123045", "cat"]}`) or of indices by name (`{"cat": 0}`), or a transformers
 * config.json with `id2label`. Throws FormatError.
 */
export async function labelsIn(path: string): Promise<readonly string[]> {
  const file = shown(path);
  const status = await stat(path).catch((cause: unknown) => {
    throw new FormatError(`${file}: it cannot be read (${(cause as NodeJS.ErrnoException).code}); check the path`, {
      cause,
    });
  });
  if (!status.isFile() || status.size > LONGEST)
    throw new FormatError(`${file}: found no list of names, expected a file of at most ${LONGEST} bytes`);
  const text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "").trim();
  const names = /^[[{]/.test(text) ? namesInJson(text, file) : text.split(/\r?\n/).map((line) => line.trim());
  names.forEach((name, index) => {
    if (typeof name !== "string" || name.trim() === "")
      throw new FormatError(
        `${file}: class ${index} has ${name === "" ? "a blank name" : describeValue(name)}, expected a name`,
      );
  });
  return names as readonly string[];
}

function namesInJson(text: string, file: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file}: found text that begins like JSON but is invalid; write one name per line`, {
      cause,
    });
  }
  if (Array.isArray(value)) return value;
  const { id2label } = value as { readonly id2label?: unknown };
  const names = typeof id2label === "object" && id2label !== null ? id2label : (value as object);
  const entries = Object.entries(names);
  const isByName = entries.every(([, index]) => Number.isSafeInteger(index));
  const byIndex = new Map<unknown, unknown>(
    entries.map(([key, held]: [string, unknown]) =>
      isByName ? [held, key] : [Number(key), Array.isArray(held) ? held.at(-1) : held],
    ),
  );
  return entries.map((_, index) => byIndex.get(index));
}
