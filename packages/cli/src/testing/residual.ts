import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { expect } from "vitest";

export const bin: string = fileURLToPath(new URL("../../bin/residual.js", import.meta.url));

/** The repository's folder, where its photos lie. */
export const root: string = fileURLToPath(new URL("../../../../", import.meta.url));

export const photo = (name: string): string => join(root, "photos", name);

/** How a command ended. `code` is null where a signal ended it. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

export interface Where {
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string };
}

/** Nothing of the test runner's own (colours, npm's names); the cache halves the start of each process. */
function environment(env: Where["env"]): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE: join(tmpdir(), "residual-test-cache"), ...env };
}

/** Environment variables that hide the packages of these names. */
export function without(names: RegExp): { readonly NODE_OPTIONS: string } {
  const hooks = `import { registerHooks } from "node:module";
    registerHooks({ resolve(name, context, next) {
      if (!${names}.test(name)) return next(name, context);
      throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: "ERR_MODULE_NOT_FOUND" });
    } });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hooks)}` };
}

/** A program, started as a user's shell would, with pipes instead of a terminal, and nothing on its stdin. */
export function start(program: string, words: readonly string[], { cwd = root, env }: Where = {}): ChildProcess {
  return spawn(program, words, { cwd, env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
}

/** Waits for the end of a program and of what it prints. */
export function ended(child: ChildProcess): Promise<Ended> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...texts, code }));
  });
}

/** Runs `residual` with these words to its end. */
export function residual(words: readonly string[], where: Where = {}): Promise<Ended> {
  return ended(start(process.execPath, [bin, ...words], where));
}

/** Runs a command that has to succeed, and gives what it prints. */
export async function succeed(words: readonly string[], where: Where = {}): Promise<Ended> {
  const result = await residual(words, where);
  expect(result, `residual ${words.join(" ")}`).toMatchObject({ code: 0 });
  expect(stripVTControlCharacters(result.stdout + result.stderr), "no colours in a pipe").toBe(
    result.stdout + result.stderr,
  );
  return result;
}

/** Runs a command with `--json`, and gives the one document that is on its stdout. */
export async function document<T>(words: readonly string[], where: Where = {}): Promise<T> {
  const { stdout } = await succeed([...words, "--json"], where);
  return JSON.parse(stdout) as T;
}

/** The weights that ship with the package, as a file. */
export const shippedFile: string = join(root, "packages/weights/known/resnet20-cifar10.safetensors");
