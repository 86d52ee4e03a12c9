import { stat } from "node:fs/promises";
import nodeModule from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Backend, ResidualError } from "@residual/core";
import { isBackend } from "../backends/is-backend.ts";
import { kindOf } from "../kind-of.ts";
import { OptionError } from "../option-error.ts";

/**
 * The backend that a module exports, by the module's path from the current folder. The default export counts first,
 * then the only export that is a backend, then the only one that is a function. A function is called with `options`; it
 * may be asynchronous.
 *
 * Throws OptionError if there is no such file, if the module throws, or if no export is a backend; and typed errors of
 * a function.
 */
export async function backendFromFile(path: string, options: object = {}): Promise<Backend> {
  const exported = await importModule(path);
  return backendAmong(exported, path, options);
}

async function importModule(path: string): Promise<object> {
  const full = resolve(path);
  const found = await stat(full).catch(() => undefined);
  if (!found) throw new OptionError(`backend ${path}: there is no file ${full}`);
  if (!found.isFile())
    throw new OptionError(`backend ${path}: ${full} is a folder, expected a module (.ts, .js or .mjs)`);
  const { registerHooks }: Partial<typeof nodeModule> = nodeModule; // in Node 22.15 and newer
  const hooks = registerHooks?.({ resolve: orFromHere });
  try {
    return (await import(pathToFileURL(full).href)) as object;
  } catch (cause) {
    throw new OptionError(`backend ${path}: the module does not load: ${describe(cause)}`, { cause });
  } finally {
    hooks?.deregister();
  }
}

type ResolveHook = NonNullable<Parameters<typeof nodeModule.registerHooks>[0]["resolve"]>;

/** Lets a module outside of any project import Residual's packages: those of this installation. */
const orFromHere: ResolveHook = (name, context, next) => {
  try {
    return next(name, context);
  } catch (error) {
    if (!name.startsWith("@residual/")) throw error;
    return next(name, { ...context, parentURL: import.meta.url });
  }
};

/** The backend among a module's exports. */
export async function backendAmong(exported: object, path: string, options: object): Promise<Backend> {
  const { default: first, "module.exports": _, ...named } = exported as { readonly [name: string]: unknown };
  if (isBackend(first)) return first;
  if (typeof first === "function") return made("default", first as Maker, path, options);
  const backends = Object.entries(named).filter(([, value]) => isBackend(value));
  const makers = Object.entries(named).filter(([, value]) => typeof value === "function");
  const candidates = backends.length > 0 ? backends : makers;
  const [only, ...others] = candidates;
  if (!only)
    throw new OptionError(`backend ${path}: the module exports ${list({ default: first, ...named })}; ${EXPECTED}`);
  if (others.length > 0) {
    const names = candidates.map(([name]) => name).join(", ");
    const what = backends.length > 0 ? "backends" : "functions";
    throw new OptionError(
      `backend ${path}: the module exports ${candidates.length} ${what}, ${names}; make one the default export`,
    );
  }
  const [name, value] = only;
  return isBackend(value) ? value : made(name, value as Maker, path, options);
}

type Maker = (options: object) => unknown;

async function made(name: string, make: Maker, path: string, options: object): Promise<Backend> {
  const value = await call(name, make, path, options);
  if (isBackend(value)) return value;
  throw new OptionError(`backend ${path}: the export ${name} is a function that returns ${kindOf(value)}; ${EXPECTED}`);
}

async function call(name: string, make: Maker, path: string, options: object): Promise<unknown> {
  try {
    return await make(options);
  } catch (cause) {
    if (cause instanceof ResidualError) throw cause;
    throw new OptionError(`backend ${path}: the export ${name} throws: ${describe(cause)}`, { cause });
  }
}

const EXPECTED = "expected a Backend { name, describe(), compile() }, or a function that returns one";

function list(exported: object): string {
  const present = Object.entries(exported).filter(([, value]) => value !== undefined);
  return present.map(([name, value]) => `${name} (${kindOf(value)})`).join(", ") || "nothing";
}

function describe(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}
