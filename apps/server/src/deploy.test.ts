import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { readModels } from "./index.ts";
import { ask, running } from "./testing/running.ts";

const text = (name: string): Promise<string> => readFile(new URL(`../${name}`, import.meta.url), "utf8");
const folder = await mkdtemp(join(tmpdir(), "residual-deploy-"));
afterAll(() => rm(folder, { recursive: true }));

const server = await running({ apiKeys: ["secret"] });

/** The parts of the manifest that the tests read. docs/serving.md names the tool that checks it against the schema. */
interface Resource {
  readonly kind: string;
  readonly data: { readonly "models.json": string };
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly Container[] } };
    readonly metrics: readonly { readonly pods: { readonly metric: { readonly name: string } } }[];
  };
}

interface Probe {
  readonly httpGet: { readonly port: string; readonly path: string };
}

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

describe("kubernetes.yaml", async () => {
  const documents = parseAllDocuments(await text("deploy/kubernetes.yaml"));
  const resources = documents.map((each) => each.toJS() as Resource);
  const named = (kind: string) => resources.find((each) => each.kind === kind)!;
  const [container] = named("Deployment").spec.template.spec.containers;

  it("probes paths that are answered without a key, on the server's port", async () => {
    const { startupProbe, livenessProbe, readinessProbe, ports } = container!;
    expect(ports.map(({ name, containerPort }) => [name, containerPort])).toEqual([
      ["http", 8000],
      ["grpc", 8001],
    ]);
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
      expect(probe.httpGet.port).toBe("http");
      expect(await ask(server.url + probe.httpGet.path)).toMatchObject({ status: 200 });
    }
  });

  it("mounts a list of models that the server reads, where its arguments say", async () => {
    const path = join(folder, "models.json");
    await writeFile(path, named("ConfigMap").data["models.json"]);
    expect(await readModels(path)).toEqual([{ name: "resnet50", weights: "resnet50" }]);
    const mounted = container!.volumeMounts.find(({ name }) => name === "models")!;
    expect(container!.args).toEqual(["--models", `${mounted.mountPath}/models.json`]);
  });

  it("scales by a metric that the server has", async () => {
    const [metric] = named("HorizontalPodAutoscaler").spec.metrics;
    const name = metric!.pods.metric.name.replace(/_mean$/, "");
    const { body } = await ask(`${server.url}/metrics`, { headers: { "X-API-Key": "secret" } });
    expect(body).toContain(`# TYPE ${name} histogram`);
  });
});

describe("Dockerfile", () => {
  it("has a health check that tells a server from none", async () => {
    const [, program] = /HEALTHCHECK[^[]*\["node", "-e", "(.*)"\]/.exec(await text("Dockerfile"))!;
    const exitCode = async (url: string) => {
      const child = spawn(process.execPath, ["-e", program!.replace("http://127.0.0.1:8000", url)]);
      return (await once(child, "exit"))[0] as unknown;
    };
    expect(await exitCode(server.url)).toBe(0);
    expect(await exitCode(`${server.url}/nothing`)).toBe(1);
    expect(await exitCode("http://127.0.0.1:1")).toBe(1);
  });
});

describe("residual.service", () => {
  const isThere = spawnSync("systemd-analyze", ["--version"]).status === 0;
  if (!isThere) console.warn("SKIPPED: systemd-analyze is missing");

  it.skipIf(!isThere)("is a valid unit", async () => {
    const path = join(folder, "residual.service");
    const unit = await text("deploy/residual.service");
    await writeFile(path, unit.replace("ExecStart=/usr/bin/residual", `ExecStart=${process.execPath}`));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
