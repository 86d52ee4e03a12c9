import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { sharedPath } from "../testing/golden.ts";
import { bin, document, ended, residual, start, succeed } from "../testing/residual.ts";

interface Document {
  readonly version: number;
  readonly reports: readonly {
    readonly backend: { readonly name: string };
    readonly passed: boolean;
    readonly remaining?: number;
    readonly sections: readonly {
      readonly level: string;
      readonly name: string;
      readonly checks: readonly { readonly name: string; readonly passed: boolean; readonly what?: string }[];
    }[];
  }[];
}

const folder = temporaryFolder();
/** What a report is written to. */
const files = ["badge.json", "badge.svg", "conformance.json", "index.html", "junit.xml"];
const small = ["--models", "cifar_resnet20", "--only", "nodes,models"];

describe("residual conform", () => {
  it("holds each backend against each model, and writes what people and machines read", async () => {
    const path = folder.in("report");
    const found = await document<Document>(["conform", "--backends", "reference,onnx", ...small, "--report", path]);
    expect(found.reports.map(({ backend }) => backend.name)).toEqual(["reference", "onnx"]);
    for (const { passed, sections } of found.reports) {
      expect(passed).toBe(true);
      expect(sections.map(({ level }) => level)).toEqual(["nodes", "nodes", "models"]);
      expect(new Set(sections.map(({ name }) => name))).toEqual(new Set(["cifar_resnet20"]));
    }
    expect(await readdir(path)).toEqual(files);
    expect(JSON.parse(await readFile(`${path}/conformance.json`, "utf8"))).toEqual(found);
  });

  it("says it in a screen", async () => {
    const { stdout } = await succeed(["conform", "--backends", "onnx", ...small]);
    expect(stdout).toMatch(/^onnx \(onnxruntime-node \S+, cpu\) conforms {2}\d+ checks in \d+ s\n/);
    expect(stdout).toMatch(/^nodes +99 +99 +\S+$/m);
  });

  it("goes on where an interrupted run was", async () => {
    const path = folder.in("resumed");
    const words = ["conform", "--backends", "reference", ...small, "--report", path];
    await succeed(words);
    const { reports } = JSON.parse(await readFile(`${path}/conformance.json`, "utf8")) as Document;
    const { sections, backend } = reports[0]!;
    const { name, ...description } = backend as { name: string };
    const head = JSON.stringify({ backend: name, ...description, level: "quick" });
    const done = JSON.stringify(sections[0]);
    const digest = createHash("sha256").update(done).digest("hex");
    await writeFile(`${path}/reference.progress`, `${head}\n${digest} ${done}\n`);
    const { stderr } = await succeed([...words, "--resume"]);
    expect(stderr).toContain("reference: 1 sections are done already");
    expect(await readdir(path)).not.toContain("reference.progress");
  });

  it("keeps what one backend came to while another is under way", async () => {
    const path = folder.in("two");
    await writeFile(
      folder.in("fails.mjs"),
      "export default () => ({ name: 'fails', describe() { throw new Error() }, compile() {} })",
    );
    const words = (backends: string) => ["conform", "--backends", backends, ...small, "--report", path];
    expect((await residual(words(`reference,${folder.in("fails.mjs")}`))).code).toBe(1);
    expect(await readdir(path)).toEqual([...files, "reference.progress"]);
    const { stderr } = await succeed([...words("reference"), "--resume"]);
    expect(stderr).toMatch(/reference: \d+ sections are done already/);
  });

  it.each(["SIGKILL", "SIGINT"] as const)("leaves a report that can be read and continued after %s", async (signal) => {
    const path = folder.in(signal);
    const words = (models: string) => ["conform", "--backends", "reference", "--models", models, "--report", path];
    const child = start(process.execPath, [bin, ...words("cifar_resnet20,resnet50"), "--only", "nodes"]);
    const ending = ended(child);
    while (!existsSync(`${path}/index.html`)) await sleep(10); // a second of cifar_resnet20, ten of resnet50
    child.kill(signal);
    const { code, stderr } = await ending;
    const { reports } = JSON.parse(await readFile(`${path}/conformance.json`, "utf8")) as Document;
    const [{ passed, remaining, sections }] = reports as [Document["reports"][0]];
    expect(passed).toBe(false);
    expect(remaining! + sections.length).toBe(4);
    expect(await readFile(`${path}/index.html`, "utf8")).toContain("has not finished");
    if (signal === "SIGINT") {
      expect(code).toBe(130);
      expect(stderr).toContain("--resume continues the run");
    }
    const resumed = await document<Document>([...words("cifar_resnet20"), "--only", "nodes", "--resume"]);
    expect(resumed.reports[0]!.sections[0]).toEqual(sections[0]);
    expect(resumed.reports[0]!.passed).toBe(true);
  });

  it("explains a model that conforms in a line, and exits with 0", async () => {
    const { stdout } = await succeed(["conform", "--backends", "onnx", "--models", "cifar_resnet20", "--bisect"]);
    expect(stdout).toContain("cifar_resnet20 on onnx, 1×3×32×32, 26 nodes as optimized");
    expect(stdout).toContain("every node alone is within its bound, and so is the whole graph");
  });

  it.each([
    [["--backends", "onnxx"], "did you mean onnx?"],
    [["--models", "resnet51"], "did you mean"],
    [["--only", "node"], "did you mean nodes?"],
    [["--level", "medium"], "quick, full"],
    [["--images", "pictures"], "--images and --answers belong together"],
    [["--resume"], "--resume needs the --report"],
  ])("refuses %j", async (words, message) => {
    const { code, stderr, stdout } = await residual(["conform", ...words]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(message);
  });

  it("says what to install where the suite is not", async () => {
    const hooks = `import { registerHooks } from "node:module";
      registerHooks({ resolve(name, context, next) {
        if (name.startsWith("@residual/conformance")) throw Object.assign(new Error("no package"), { code: "ERR_MODULE_NOT_FOUND" });
        return next(name, context);
      } });`;
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hooks)}`;
    expect(await residual(["conform"], { env: { NODE_OPTIONS } })).toEqual({
      stdout: "",
      stderr:
        "BackendUnavailableError: @residual/conformance, the suite, could not be loaded (no package); " +
        "npm install @residual/conformance\n",
      code: 1,
    });
    expect(await residual(["models", "--json"], { env: { NODE_OPTIONS } })).toMatchObject({ stderr: "", code: 0 });
  });

  const images = sharedPath("data/cifar10/test_first2000.bin");
  const answers = sharedPath("weights/resnet20-cifar10.answers.safetensors");
  it.skipIf(!images || !answers)("holds real pictures against PyTorch's logits of them", async () => {
    const words = ["conform", "--backends", "onnx", "--only", "images", "--images", images!, "--answers", answers!];
    const { reports } = await document<Document>(words);
    const [predictions, logits, ...closest] = reports[0]!.sections[0]!.checks;
    expect(predictions).toMatchObject({ name: "predictions", passed: true, what: "2000 images, 1791 right" });
    expect(logits).toMatchObject({ name: "logits", passed: true });
    expect(closest).toHaveLength(10);
  });
});
