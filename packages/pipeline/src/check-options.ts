import { unknownName } from "@residual/kit/names";
import { isObject, kindOf } from "./kind-of.ts";
import { OptionError } from "./option-error.ts";

/** For each option, a check of the value, and a text that says which values are valid. */
export type OptionChecks = { readonly [name: string]: readonly [fits: (value: unknown) => boolean, expected: string] };

/**
 * Throws OptionError for options that are not an object, unknown names, and invalid values, for callers without a
 * compiler. An option that is undefined counts as absent.
 */
export function checkOptions(owner: string, options: unknown, checks: OptionChecks): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new OptionError(`${owner}: the options are ${kindOf(options)}, expected an object { ${listOf(checks)} }`);
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) throw new OptionError(`${owner}: ${unknownName(name, Object.keys(checks), "option")}`);
    const [fits, expected] = check;
    if (value !== undefined && !fits(value))
      throw new OptionError(`${owner}: \`${name}\` is ${kindOf(value)}, expected ${expected}`);
  }
}

const listOf = (checks: OptionChecks) => Object.keys(checks).join(", ");

const isFunction = (value: unknown): boolean => typeof value === "function";
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
const isSignal = (value: unknown): boolean => isObject(value) && "addEventListener" in value;

/** Checks of options that several calls share. */
export const checks = {
  count: [isCount, "a whole number from 1"],
  callback: [isFunction, "a function"],
  text: [(value) => typeof value === "string", "a text"],
  flag: [(value) => typeof value === "boolean", "true or false"],
  signal: [isSignal, "an AbortSignal"],
  object: [(value) => isObject(value) && !Array.isArray(value), "an object"],
  anything: [(value) => value !== null, "a value"],
  textOrObject: [
    (value) => typeof value === "string" || (isObject(value) && !Array.isArray(value)),
    "a name, or an object",
  ],
} as const satisfies OptionChecks;
