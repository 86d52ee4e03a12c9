import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { published } from "../published.ts";

/** One thing that has to work with what would be published. */
export interface Row {
  /** Where: a runtime, a bundler, a compiler. */
  readonly where: string;
  readonly what: string;
  /** Whether `verify` tries it too: it needs nothing but the workspace's tools and the packages' own dependencies. */
  readonly isQuick: boolean;
  /** Throws where it does not work. */
  run(site: Site): Promise<void>;
}

export interface ProjectSpec {
  readonly name: string;
  /** Names of the workspace's packages, without those that they depend on: all, if not given. */
  readonly ours?: readonly string[];
  /** Packages of the registry, with their versions. */
  readonly others?: Readonly<Record<string, string>>;
  /** Whether to leave out what packages say they can do without. */
  readonly withoutOptional?: true;
}

export interface Command {
  readonly command: string;
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

const PROGRAMS = fileURLToPath(new URL("programs/", import.meta.url));
/** From the names that programs know them by to where they are. */
const PHOTOS = Object.entries({ "cat.png": "chelsea.png", "ship.jpg": "rocket.jpg" }).map(
  ([name, photo]) => [name, fileURLToPath(new URL(`../../photos/${photo}`, import.meta.url))] as const,
);
const TIMEOUT_MS = 300_000;

/** A folder outside of the workspace, with tarballs of its packages and the projects that install them. */
export class Site {
  readonly folder: string;
  readonly #tarballs: ReadonlyMap<string, string>;
  readonly #projects = new Map<string, Promise<string>>();

  constructor(folder: string) {
    this.folder = folder;
    this.#tarballs = packAll(join(folder, "tarballs"));
  }

  get packages(): readonly string[] {
    return [...this.#tarballs.keys()];
  }

  /** The folder of a project with the programs and two photos in it, installed by npm when first asked for. */
  project(spec: ProjectSpec): Promise<string> {
    const found = this.#projects.get(spec.name) ?? this.#install(spec);
    this.#projects.set(spec.name, found);
    return found;
  }

  async #install({ name, ours = this.packages, others = {}, withoutOptional }: ProjectSpec): Promise<string> {
    const cwd = join(this.folder, name);
    cpSync(PROGRAMS, cwd, { recursive: true });
    for (const [name, photo] of PHOTOS) cpSync(photo, join(cwd, name));
    const tarballs = Object.fromEntries(ours.map((each) => [each, `file:${this.#tarballs.get(each)!}`]));
    const manifest = { private: true, type: "module", dependencies: { ...tarballs, ...others } };
    writeFileSync(join(cwd, "package.json"), JSON.stringify(manifest, null, 2));
    await install(cwd, withoutOptional ? ["--omit=optional"] : []);
    return cwd;
  }

  /** Installs a project of the workspace that was copied: its packages of the workspace are the tarballs. */
  async install(cwd: string): Promise<void> {
    const file = join(cwd, "package.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as { dependencies: { [name: string]: string } };
    const tarballs = [...this.#tarballs].map(([name, path]) => [name, `file:${path}`] as const);
    const isOwn = ([name]: readonly [string, string]) => name in manifest.dependencies;
    Object.assign(manifest.dependencies, Object.fromEntries(tarballs.filter(isOwn)));
    writeFileSync(file, JSON.stringify({ ...manifest, overrides: Object.fromEntries(tarballs) }, null, 2));
    await install(cwd);
  }
}

/** Runs `npm install`. */
async function install(cwd: string, options: readonly string[] = []): Promise<void> {
  // onnxruntime-node's install script fetches CUDA from elsewhere than the registry; no other script is needed.
  const words = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", ...options];
  // behind a proxy with a certificate of its own only the system's list knows the registry
  await output({ command: "npm", words, cwd, env: { NODE_USE_SYSTEM_CA: "1" } });
}

/** Packs every package as it would be published: from their names to the paths of their tarballs. */
function packAll(folder: string): ReadonlyMap<string, string> {
  mkdirSync(folder, { recursive: true });
  const filters = published.flatMap((each) => ["--filter", `./${each}`]);
  const words = ["--silent", "-r", ...filters, "pack", "--json"];
  const { stdout, stderr, status } = spawnSync("pnpm", [...words, "--pack-destination", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`pnpm pack: ${stdout}${stderr}`);
  const packed = JSON.parse(stdout) as readonly { readonly name: string; readonly filename: string }[];
  return new Map(packed.map(({ name, filename }) => [name, filename]));
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program prints. Throws, with all of it, if the program fails or does not end. */
export function output({ command, words, cwd, env }: Command): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd, env: { ...cleanEnv(), ...env }, timeout: TIMEOUT_MS });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve({ stdout, stderr });
      else reject(new Error(`${command} ${words.join(" ")} ended with ${code ?? signal}\n${stdout}${stderr}`));
    });
  });
}

/** This process's variables, without those by which npm, pnpm and Node pass on this workspace's settings. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|pnpm_|NODE_(ENV|OPTIONS|PATH)$|INIT_CWD$)/i.test(name),
  );
  return Object.fromEntries(kept);
}

/** Runs a program that has to print one line and nothing else: no warning either. */
export async function expectLine(line: string, command: Command): Promise<void> {
  const { stdout, stderr } = await output(command);
  if (stdout !== `${line}\n` || stderr !== "") {
    throw new Error(`expected the line ${JSON.stringify(line)} and nothing else, found\n${stdout}${stderr}`);
  }
}
