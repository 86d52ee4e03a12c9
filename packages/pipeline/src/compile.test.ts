import { type Backend, fixtureWeights, type ResNetSpec, reference, resnet, variants } from "@residual/core";
import { temporaryFolder } from "@residual/kit/files";
import { writeSafetensors } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { prepareOn } from "./index.ts";

/** The reference, which tells when it is warmed up, compiled on and disposed. */
function told(): { readonly backend: Backend; readonly log: string[] } {
  const log: string[] = [];
  const backend: Backend = {
    ...reference,
    warmUp() {
      log.push("warm up");
      return {
        async [Symbol.asyncDispose]() {
          log.push("dispose");
        },
      };
    },
    async compile(graph, options) {
      log.push("compile");
      return reference.compile(graph, options);
    },
  };
  return { backend, log };
}

async function fileOf(model: ResNetSpec, folder: string): Promise<string> {
  const path = `${folder}/weights.safetensors`;
  await writeSafetensors(path, fixtureWeights(resnet(model), "v1").tensors);
  return path;
}

describe("prepareOn", () => {
  it("warms the backend up while a large file is read, and disposes what is left", async () => {
    await using folder = await temporaryFolder("test");
    const { backend, log } = told();
    const weights = await fileOf(variants.resnet18, folder.path);
    const { executable } = await prepareOn(backend, { model: "resnet18", weights }, ({ graph }) => graph);
    await executable.dispose();
    expect(log).toEqual(["warm up", "compile", "dispose"]);
  });

  it("disposes what it warmed up where nothing is compiled", async () => {
    await using folder = await temporaryFolder("test");
    const { backend, log } = told();
    const weights = await fileOf(variants.resnet18, folder.path);
    const preparing = prepareOn(backend, { model: "resnet18", weights }, () => {
      throw new Error("no");
    });
    await expect(preparing).rejects.toThrow("no");
    expect(log).toEqual(["warm up", "dispose"]);
  });

  it("does not for a small file", async () => {
    const { backend, log } = told();
    const { executable } = await prepareOn(backend, {}, ({ graph }) => graph);
    await executable.dispose();
    expect(log).toEqual(["compile"]);
  });
});
