import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

/** Whether this machine has redis-server. If not, warns that the tests of `what` are skipped. */
export function hasRedis(what: string): boolean {
  if (spawnSync("redis-server", ["--version"]).status === 0) return true;
  console.warn(`SKIPPED: ${what}; there is no redis-server (Debian: redis-server, as .ci/run installs)`);
  return false;
}

/** A redis-server with an append-only file, on a free port of this machine. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  static async start(options: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), "residual-redis-")), options);
    await server.start();
    return server;
  }

  private constructor(port: number, folder: string, options: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#options = options;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server with what its append-only file holds, and waits until it answers. */
  async start(): Promise<void> {
    const place = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--dir", this.#folder];
    const persistence = ["--appendonly", "yes", "--save", ""];
    this.#process = spawn("redis-server", [...place, ...persistence, ...this.#options], { stdio: "ignore" });
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null) throw new Error(`redis-server ended with code ${this.#process.exitCode}`);
      await delay(20);
    }
  }

  /** SIGTERM lets the server write its file; SIGKILL may lose the last second of writes. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const ended = once(this.#process!, "exit");
    this.#process!.kill(signal);
    await ended;
  }

  /** Sets one of the server's options. */
  async configure(option: string, value: string): Promise<void> {
    await promisify(execFile)("redis-cli", ["-p", `${this.port}`, "CONFIG", "SET", option, value]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.stop("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Whether the server answers PING; it may answer with an error about a password. */
  async #answers(): Promise<boolean> {
    const socket = connect(this.port, "127.0.0.1");
    try {
      socket.write("PING\r\n");
      const answer: unknown[] = await once(socket, "data");
      return !String(answer[0]).startsWith("-LOADING");
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("expected a port");
  server.close();
  await once(server, "close");
  return address.port;
}
