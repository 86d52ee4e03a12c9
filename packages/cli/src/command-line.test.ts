import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "./testing/folder.ts";
import { bin, ended, photo, residual, root, start, succeed } from "./testing/residual.ts";

const folder = temporaryFolder();
const commands = ["models", "summary", "graph", "classify", "preprocess", "run", "eval", "export", "bench", "doctor"];

describe("help", () => {
  it("is shown where nothing is asked for, as a mistake", async () => {
    const { stdout, stderr, code } = await residual([]);
    expect(code).toBe(2);
    expect(stdout + stderr).toMatch(/^Usage: residual /);
  });

  it.each(["--help", "-h", "help", "help help"])("%s lists every command", async (words) => {
    const { stdout, stderr } = await succeed(words.split(" "));
    expect(stderr).toBe("");
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, "m"));
  });

  it.each([...commands, "tune", "train", "conform", "serve"])(
    "%s --help tells its options, with examples, in 80 columns",
    async (name) => {
      const { stdout, stderr } = await succeed([name, "--help"]);
      expect(stderr).toBe("");
      expect(stdout).toContain(`Usage: residual ${name} `);
      expect(stdout).toContain("--json");
      expect(stdout.match(new RegExp(`^ {2}\\$ residual ${name}( .*)?$`, "gm"))?.length).toBeGreaterThanOrEqual(2);
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  it.each([
    ["run", ["--weights", "--input", "--out"]],
    ["preprocess", ["--out"]],
    ["eval", ["--data"]],
    ["export", ["--weights", "--to"]],
    ["graph", ["--to"]],
    ["train", ["--model"]],
    ["classify", []],
  ])("%s marks the options that it requires", async (name, required) => {
    const { stdout } = await succeed([name, "--help"]);
    const options = stdout.split(/\n(?= {2}-)/).slice(1);
    const marked = options.filter((option) => option.replaceAll(/\s+/g, " ").includes("(required)"));
    expect(marked.map((option) => option.trim().split(" ")[0])).toEqual(required);
  });
});

it("--version is the package's", async () => {
  const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(await residual(["--version"])).toEqual({ stdout: `${version}\n`, stderr: "", code: 0 });
});

describe("--json", () => {
  it("may stand anywhere after the command", async () => {
    const { stdout } = await succeed(["summary", "--json", "pytorch_unit"]);
    expect(JSON.parse(stdout)).toMatchObject({ model: "pytorch_unit" });
  });

  it("leaves stdout empty where the job fails", async () => {
    expect(await residual(["classify", "no.png", "--json"])).toMatchObject({ stdout: "", code: 1 });
  });
});

it("is no failure when whoever reads it has seen enough", async () => {
  const child = start("sh", ["-c", `"${process.execPath}" "${bin}" summary resnet152 | head -n 1; echo`]);
  const { stdout, stderr } = await ended(child);
  expect(stdout).toMatch(/^resnet152 .*\n\n$/);
  expect(stderr).toBe("");
});

describe.skipIf(!existsSync("/dev/full"))("where nothing more can be written", () => {
  const shell = (line: string) => ended(start("sh", ["-c", line]));
  const command = `"${process.execPath}" "${bin}"`;

  it.each(["models", "models --json", "--help"])("a full disk is a typed error: %s", async (words) => {
    const { stderr, code } = await shell(`${command} ${words} > /dev/full`);
    expect(stderr).toMatch(/^FormatError: stdout: it cannot be written \(.*ENOSPC.*\); check the space left\n$/);
    expect(code).toBe(1);
  });

  it("that nobody reads stderr is no failure", async () => {
    const line = `{ ${command} classify photos/chelsea.png --top 1; echo "rc $?" >&3; } 3>&1 >/dev/null 2> >(true)`;
    expect(await ended(start("bash", ["-c", line]))).toMatchObject({ stdout: "rc 0\n" });
    expect((await shell(`${command} classify photos/chelsea.png 2> /dev/full`)).code).toBe(0);
  });
});

it("writes nowhere but where it is told to, whatever its libraries would", async () => {
  await mkdir(folder.in("tmp"));
  await mkdir(folder.in("home"));
  await succeed(["classify", photo("chelsea.png"), "--backend", "onnx"], {
    env: { TMPDIR: folder.in("tmp"), HOME: folder.in("home"), XDG_CACHE_HOME: folder.in("home") },
  });
  expect([await readdir(folder.in("tmp")), await readdir(folder.in("home"))]).toEqual([[], []]);
});

describe("on a terminal", async () => {
  const { code } = await ended(start("sh", ["-c", "command -v script"]));
  const missing = code !== 0;
  if (missing) console.warn("SKIPPED: colours and progress bars on a terminal; there is no `script` (util-linux)");

  /** What a terminal is sent. A terminal is one stream: stdout and stderr. */
  const seen = async (words: string, env: { readonly [name: string]: string } = {}): Promise<string> => {
    const line = `"${process.execPath}" "${bin}" ${words}`;
    const { stdout } = await ended(
      start("script", ["-qec", line, "/dev/null"], { cwd: root, env: { TERM: "xterm", ...env } }),
    );
    return stdout;
  };

  it.skipIf(missing)("there are colours and a progress bar, and the cursor comes back", async () => {
    const screen = await seen("classify photos/chelsea.png photos/coffee.png");
    expect(screen).toContain("\x1b[1mphotos/chelsea.png\x1b[22m"); // bold
    expect(screen).toContain("read weights");
    expect(screen).toContain("█");
    expect(screen.lastIndexOf("\x1b[?25h"), "shown again after it was last hidden").toBeGreaterThan(
      screen.lastIndexOf("\x1b[?25l"),
    );
  });

  it.skipIf(missing)("the cursor comes back from a failure too", async () => {
    const screen = await seen("classify photos/no.png");
    expect(screen).toContain("FormatError: photos/no.png: not found");
    expect(screen.lastIndexOf("\x1b[?25h")).toBeGreaterThan(screen.lastIndexOf("\x1b[?25l"));
  });

  it.skipIf(missing)("the cursor comes back where the process is ended at once, as by a second Ctrl-C", async () => {
    const program = `import { progressBar } from "${new URL("./terminal.ts", import.meta.url).href}";
      progressBar().onProgress({ stage: "eternity", done: 0, total: 1 });
      process.exit(130);`;
    await writeFile(folder.in("program.mjs"), program);
    const line = `"${process.execPath}" "${folder.in("program.mjs")}"`;
    const { stdout } = await ended(start("script", ["-qec", line, "/dev/null"], { env: { TERM: "xterm" } }));
    expect(stdout).toContain("eternity");
    expect(stdout.lastIndexOf("\x1b[?25h")).toBeGreaterThan(stdout.lastIndexOf("\x1b[?25l"));
  });

  it.skipIf(missing)("NO_COLOR is heeded, and so is --no-color", async () => {
    for (const words of ["summary pytorch_unit", "summary --help", "summary nope"]) {
      expect(await seen(words), words).toContain("\x1b[");
      expect(await seen(words, { NO_COLOR: "1" }), words).not.toContain("\x1b[");
      expect(await seen(`${words} --no-color`), words).not.toContain("\x1b[");
      expect(await seen(`${words} --no-color`, { FORCE_COLOR: "1" }), words).not.toContain("\x1b[");
    }
  });
});

it.each(["20.20.2", "22.23.3"])(
  "in a clone, Node %s, which does not run the sources, is told what does",
  async (node) => {
    const old = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'${node}'}})`;
    const { stdout, stderr, code } = await ended(
      start(process.execPath, ["--import", `data:text/javascript,${old}`, bin, "models"]),
    );
    expect([stdout, code]).toEqual(["", 1]);
    expect(stderr).toBe(
      `UnsupportedError: this is Node ${node}; 24.0 or newer runs the sources of this clone; ` +
        "run pnpm --silent residual, which brings its Node, or the built files: pnpm build, then RESIDUAL_BUILT=1\n",
    );
  },
);
