import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { BackendUnavailableError } from "@residual/core";
import type { ModelEntry, ServeOptions } from "@residual/server";
import { type Command, InvalidArgumentError } from "commander";
import { backendOption, type Context, command, positive, threadsOption } from "../command.ts";
import { UsageError } from "../errors.ts";
import { modelCalled } from "../names.ts";
import { type Output, progressBar, remark, remarkInLines, say } from "../terminal.ts";

/** `undefined` is an option that is not given. */
interface Models {
  readonly model?: string | undefined;
  readonly weights?: string | undefined;
  readonly models?: string | undefined;
}

interface Options
  extends Output,
    Models,
    Pick<
      ServeOptions,
      | "port"
      | "host"
      | "workers"
      | "threads"
      | "backend"
      | "maxBatch"
      | "maxWaiting"
      | "maxPixels"
      | "maxBytes"
      | "maxImages"
      | "timeout"
      | "cors"
      | "modelControl"
    > {
  readonly apiKeyFile?: string;
  readonly auth: boolean;
  readonly grpc: boolean;
  readonly grpcPort?: number;
  readonly log: boolean;
}

/** Serves models until Ctrl-C or SIGTERM, then answers what is under way. */
export function serveCommand({ signal }: Context): Command {
  return command("serve", "answer over HTTP and gRPC: a page, pictures, the Open Inference Protocol v2", [
    "serve --model resnet50 --weights resnet50",
    "serve --models models.json --host 0.0.0.0 --api-key-file keys.txt",
  ])
    .option("--model <name>", "see residual models; default: the small model that ships inside")
    .option("--weights <w>", "a file, known weights or fixture:SALT")
    .option("--models <file>", 'several: {"models": [{"name": "a", "model": "resnet50", "weights": "a.safetensors"}]}')
    .option("--port <n>", "TCP port; 0 takes a free one", port, 8000)
    .option("--grpc-port <n>", "TCP port for gRPC; the one after --port where not given", port)
    .option("--no-grpc", "answer over HTTP alone")
    .option("--host <address>", "address to listen on; 0.0.0.0 for other machines", "127.0.0.1")
    .option("--api-key-file <file>", "accepted API keys, one a line; else RESIDUAL_API_KEY")
    .option("--no-auth", "answer without a key on any --host: something in front of the server checks who may call it")
    .option("--cors <origins...>", "origins of pages that may call the server, or *")
    .option("--model-control", "let clients load and unload the listed models")
    .addOption(backendOption())
    .addOption(threadsOption())
    .option("--workers <n>", "processes that run models; 1 where not given", positive)
    .option("--max-batch <n>", "the most images of one run", positive)
    .option("--max-waiting <n>", "the most images that wait for a model; then 503", positive)
    .option("--max-images <n>", "the most images of a request; 128 where not given", positive)
    .option("--max-bytes <n>", "the most bytes of a request; 33554432 where not given", positive)
    .option("--max-pixels <n>", "the most pixels of a picture, width × height", positive)
    .option("--timeout <ms>", "give a request up that has not started by then; 30000 where not given", positive)
    .option("--no-log", "do not log requests, as lines of JSON on stderr")
    .action(async (options: Options) => {
      const { serve } = await serverPackage();
      const bar = progressBar();
      try {
        await using server = await serve({ ...(await serveOptions(options)), signal, onProgress: bar.onProgress });
        bar.end();
        const { url, grpc, models } = server;
        say(options, { url, grpc, models }, () => [
          `${url}  ${models.join(", ")}`,
          ...(grpc === undefined ? [] : [`${grpc}  gRPC`]),
        ]);
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener("abort", resolve, { once: true });
        });
        remark("finishing the requests under way; once more to stop at once");
      } finally {
        bar.end();
      }
    });
}

async function serverPackage(): Promise<typeof import("@residual/server")> {
  try {
    return await import("@residual/server");
  } catch (cause) {
    const [reason] = String(cause).split("\n");
    throw new BackendUnavailableError(
      `@residual/server, the server, could not be loaded (${reason}); npm install @residual/server`,
      { cause },
    );
  }
}

async function serveOptions(options: Options): Promise<ServeOptions> {
  const { model, weights, models, apiKeyFile, auth, log, grpc, grpcPort, json: _, ...rest } = options;
  return {
    ...rest,
    grpcPort: grpc ? grpcPort : false,
    models: await entriesOf({ model, weights, models }),
    apiKeys: await keysOf(apiKeyFile, auth),
    noAuth: !auth,
    log: log ? process.stderr : undefined,
    onWarning: remarkInLines,
  };
}

/** The models to serve; undefined for the one that ships inside. */
async function entriesOf({ model, weights, models }: Models): Promise<readonly ModelEntry[] | undefined> {
  if (models !== undefined) {
    if (model ?? weights)
      throw new UsageError("--models names models and weights itself; leave --model, --weights out");
    return (await serverPackage()).readModels(models);
  }
  if (model === undefined && weights === undefined) return undefined;
  const named = model === undefined ? {} : { model: modelCalled(model) };
  return [{ name: named.model ?? nameOf(weights!), ...named, ...(weights !== undefined && { weights }) }];
}

/** `cats` of `weights/cats.safetensors`. */
const nameOf = (weights: string): string => basename(weights, extname(weights)).replaceAll(/[^\w.-]/g, "_");

async function keysOf(file: string | undefined, auth: boolean): Promise<readonly string[]> {
  const text = file === undefined ? process.env.RESIDUAL_API_KEY : await readFile(file, "utf8").catch(unreadable(file));
  // HTTP removes spaces around the value of a header
  const keys = (text ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (file !== undefined && keys.length === 0) throw new UsageError(`--api-key-file ${file} has no keys, one a line`);
  return auth || file !== undefined ? keys : [];
}

const unreadable = (file: string) => (cause: NodeJS.ErrnoException) => {
  throw new UsageError(`--api-key-file ${file} cannot be read (${cause.code}); check the path`, { cause });
};

function port(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65536) return Number(text);
  throw new InvalidArgumentError("expected a whole number from 0 to 65535");
}
