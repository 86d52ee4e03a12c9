import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { cleanEnv } from "../tarballs/site.ts";

/** Where the starters lie: in the workspace, or copied out of it (scripts/tarballs/starters.ts). */
const home = resolve(process.env.STARTERS ?? "apps");

export const folderOf = (starter: string): string => join(home, starter);

/** Deno and Bun, which the workspace has as packages on Linux x64. */
const runtimes = ["node_modules/@deno/linux-x64-glibc", "node_modules/@oven/bun-linux-x64/bin"].map((path) =>
  resolve(path),
);

export const photo = (name: string): Buffer<ArrayBuffer> => readFileSync(resolve("photos", name));

/** A program of a starter, started as its package.json says. */
export class Program {
  readonly child: ChildProcessWithoutNullStreams;
  /** What it has printed so far, to stdout and stderr. */
  said = "";

  constructor(starter: string, script: string, words: readonly string[] = []) {
    const cwd = folderOf(starter);
    const { scripts } = JSON.parse(readFileSync(join(cwd, "package.json"), "utf8")) as {
      readonly scripts: { readonly [name: string]: string };
    };
    const path = [join(cwd, "node_modules/.bin"), ...runtimes.filter(existsSync), process.env.PATH].join(delimiter);
    const env = { ...cleanEnv(), PATH: path, PORT: "0", NO_COLOR: "1", NEXT_TELEMETRY_DISABLED: "1" };
    // without npm between: signals reach the program itself
    this.child = spawn("sh", ["-c", `exec ${scripts[script]} "$@"`, "sh", ...words], { cwd, env });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.said += text;
      });
  }

  /** The first address that the program prints. */
  async url(): Promise<string> {
    const address = /http:\/\/(localhost|127\.0\.0\.1):\d+/;
    for (;;) {
      const [found] = address.exec(this.said) ?? [];
      if (found) return found;
      if (this.child.exitCode !== null) throw new Error(`it ended without an address: ${this.said}`);
      await setTimeout(20);
    }
  }

  /** Ends the program as Ctrl-C does. Its exit code. */
  stop(): Promise<number | null> {
    this.child.kill("SIGINT");
    return this.ended();
  }

  async ended(): Promise<number | null> {
    const { exitCode, signalCode } = this.child;
    if (exitCode === null && signalCode === null) await once(this.child, "close");
    return this.child.exitCode;
  }
}
