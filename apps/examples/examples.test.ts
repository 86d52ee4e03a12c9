import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const here = import.meta.dirname;
const photos = join(here, "../../photos");
const [cat, coffee, rocket] = ["chelsea.png", "coffee.png", "rocket.jpg"].map((name) => join(photos, name));
const weights = fileURLToPath(import.meta.resolve("@residual/weights")).replace(
  /(src|dist)[\\/]index.*$/,
  "known/resnet20-cifar10.safetensors",
);

const flags = ["--conditions=@residual/source"];

async function linesOf(program: string, ...words: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, join(here, program), ...words]);
  return stdout.trimEnd().split("\n");
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "residual-examples-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Lines that hold code: neither empty nor a comment. */
const codeOf = (program: string) =>
  readFileSync(join(here, program), "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/\*\*|\*)/.test(line));

it.each(globSync("*.ts", { cwd: here, exclude: ["*.test.ts", "*.config.ts"] }))(
  "%s has at most 15 lines",
  (program) => {
    expect(codeOf(program).length).toBeLessThanOrEqual(15);
  },
);

describe("what they print", () => {
  it("folder: a line for each picture, whatever another one is like", async () => {
    const pictures = join(folder, "pictures");
    mkdirSync(pictures);
    cpSync(cat!, join(pictures, "a.png"));
    writeFileSync(join(pictures, "b.png"), "hello");
    cpSync(rocket!, join(pictures, "c.jpg"));
    const [first, second, third, ...others] = await linesOf("folder.ts", pictures);
    expect(first).toMatch(/a\.png cat$/);
    expect(second).toMatch(/b\.png .*hello/);
    expect(third).toMatch(/c\.jpg ship$/); // of its ten classes
    expect(others).toEqual([]);
  });

  it.each(["folder.ts", "batch.ts", "worker.ts", "neighbours.ts"])(
    "%s without arguments: the photos",
    async (program) => {
      const text = (await linesOf(program)).join("\n");
      for (const name of ["chelsea.png", "coffee.png", "rocket.jpg"]) expect(text).toContain(name);
    },
  );

  it.each(["compare.ts", "feature-maps.ts"])("%s without arguments: the same as for the cat", async (program) => {
    const [first] = await linesOf(program);
    expect(first).toMatch(/^(reference: cat|layer1 1×16×32×32)/);
  });

  it.each(["head.ts", "own-weights.ts"])("%s without arguments: a line that says what it needs", async (program) => {
    const usage = expect.stringMatching(new RegExp(`^usage: node ${program} [A-Z]+ PICTURE.*\\n$`)) as string;
    await expect(linesOf(program)).rejects.toMatchObject({ code: 2, stderr: usage });
  });

  it("neighbours: a picture is most like itself", async () => {
    const lines = await linesOf("neighbours.ts", cat!, coffee!, rocket!);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(`1.000 ${cat}`);
    const likenesses = lines.map((line) => Number(line.split(" ")[0]));
    expect(likenesses).toEqual(likenesses.toSorted((a, b) => b - a));
  });

  it("feature-maps: each stage with its shape, and as many rows as it is high", async () => {
    const lines = await linesOf("feature-maps.ts", cat!);
    expect(lines[0]).toBe("layer1 1×16×32×32");
    expect(lines[33]).toBe("layer2 1×32×16×16");
    expect(lines[50]).toBe("layer3 1×64×8×8");
    expect(lines.length).toBe(59);
  });

  it("custom-net: each network, and the shape of its answers", async () => {
    const lines = await linesOf("custom-net.ts");
    expect(lines).toEqual([
      expect.stringMatching(/^resnet10: \d+ parameters, \d+ multiply-adds, logits 1×3$/),
      expect.stringMatching(/^resnext26_16x8d: \d+ parameters, \d+ multiply-adds, logits 1×1000$/),
      expect.stringMatching(/^grey: \d+ parameters, \d+ multiply-adds, logits 1×10$/),
    ]);
  });

  it("own-weights: what the file says, and the likeliest classes", async () => {
    const lines = await linesOf("own-weights.ts", weights, cat!);
    expect(lines[0]).toBe("cifar_resnet20, resize 32, crop 32, mean 0.4914 0.4822 0.4465");
    expect(lines[1]).toMatch(/^10 labels: airplane, .*, truck$/);
    expect(lines[2]).toBe("0.982 cat"); // the card of the weights
  });

  it("compare: the same class on each backend that works here", async () => {
    const lines = await linesOf("compare.ts", cat!);
    expect(lines.map((line) => line.split(":")[0])).toEqual(["reference", "onnx", "wasm", "webgpu"]);
    for (const line of lines.slice(0, 3)) expect(line).toMatch(/: cat 0\.98[12]\d* *, /);
    expect(lines[3]).toMatch(/: cat 0\.98|there is no GPU adapter/);
  });

  it("batch: an answer for each picture", async () => {
    const lines = await linesOf("batch.ts", cat!, rocket!, cat!);
    expect(lines).toEqual([`${cat} cat`, `${rocket} ship`, `${cat} cat`]);
  });

  it("worker: the same, from a thread", async () => {
    expect(await linesOf("worker.ts", cat!, rocket!)).toEqual([`${cat} cat`, `${rocket} ship`]);
  });

  it("head: the class of a picture that it was not fitted on", async () => {
    for (const [name, picture] of [
      ["animal", cat],
      ["cup", coffee],
      ["flight", rocket],
    ] as const) {
      mkdirSync(join(folder, "classes", name), { recursive: true });
      cpSync(picture!, join(folder, "classes", name, "picture.image"));
    }
    const mirrored = join(folder, "mirrored.png");
    await sharp(rocket).flop().toFile(mirrored);
    expect(await linesOf("head.ts", join(folder, "classes"), mirrored)).toEqual(["flight"]);
  });
});

describe("server", () => {
  let server: ChildProcess;
  let url: string;
  beforeAll(async () => {
    server = spawn(process.execPath, [...flags, join(here, "server.ts")], { env: { ...process.env, PORT: "0" } });
    const port = await new Promise<string>((resolve) => {
      server.stdout!.setEncoding("utf8").on("data", (text: string) => {
        const [, found] = /port: (\d+)/.exec(text) ?? [];
        if (found) resolve(found);
      });
    });
    url = `http://localhost:${port}`;
  });
  afterAll(() => server.kill("SIGKILL"));

  it("answers a picture", async () => {
    const answer = await fetch(url, { method: "POST", body: readFileSync(cat!) });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ predictions: [{ label: "cat" }, {}, {}, {}, {}] });
  });

  it("answers text with status 400, and serves the next request", async () => {
    const answer = await fetch(url, { method: "POST", body: "hello" });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      code: "FormatError",
      message: expect.stringContaining("hello") as string,
    });
  });

  it("ends on SIGTERM by itself", async () => {
    server.kill("SIGTERM");
    const code = await new Promise((resolve) => server.once("exit", resolve));
    expect(code).toBe(0);
  });
});
