import { graph, input, ops, resnet, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { webgpu } from "./backend.ts";

// Tests that need a device are in life.test.ts, on SwiftShader.

const small = () => {
  const x = input("x", [1, 2]);
  return graph({ name: "small", inputs: { x }, outputs: { y: ops.relu({ x }) } });
};

describe("without a GPU", () => {
  const none = webgpu({ gpu: { requestAdapter: async () => null } });

  it("says what to install", async () => {
    await expect(none.describe()).rejects.toMatchObject({ code: "BackendUnavailableError" });
    await expect(none.compile(small())).rejects.toThrow(/no GPU adapter; install a Vulkan driver/);
    const onLinux = process.platform === "linux" && process.arch === "x64";
    await expect(none.describe()).rejects.toThrow(onLinux ? /npm install @residual\/webgpu-software/ : /newer\)$/);
  });

  it("heeds an aborted signal, and open parameters, before it looks for one", async () => {
    await expect(none.compile(small(), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "AbortError" });
    const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
    await expect(none.compile(model)).rejects.toThrow("parameters of cifar_resnet20 are open");
  });

  it("asks again once there is one", async () => {
    let asked = 0;
    const gpu = {
      requestAdapter: async () => {
        asked++;
        return null;
      },
    };
    const backend = webgpu({ gpu });
    await expect(backend.describe()).rejects.toThrow();
    await expect(backend.describe()).rejects.toThrow();
    expect(asked).toBe(2);
  });
});

describe("a GPU that fails", () => {
  const info = { vendor: "none", architecture: "", device: "", description: "a GPU that is busy" };
  const broken = () => Promise.reject(new DOMException("", "OperationError"));
  const adapter = { features: new Set(), info, limits: {}, requestDevice: broken };
  const sources: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    ["to look for an adapter", broken, /looking for a GPU adapter failed/],
    [
      "to look for one, at once",
      () => {
        throw new TypeError("no");
      },
      /looking for a GPU adapter failed/,
    ],
    ["to give a device", async () => adapter, /a GPU that is busy gives no device .*try again/],
  ];
  it.each(sources)("%s is unavailable, and is asked again", async (_, fail, words) => {
    let asked = 0;
    const requestAdapter = () => {
      asked++;
      return fail();
    };
    const backend = webgpu({ gpu: { requestAdapter } as unknown as GPU });
    for (let time = 1; time <= 2; time++) {
      const error: unknown = await backend.compile(small()).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "BackendUnavailableError" });
      expect(String(error)).toMatch(words);
      expect(asked).toBe(time);
    }
  });
});

it("float16 is refused by an adapter without shader-f16, by name", async () => {
  const info = { vendor: "none", architecture: "", device: "", description: "an old GPU" };
  const gpu = { requestAdapter: async () => ({ features: new Set(), info, limits: {} }) } as unknown as GPU;
  const found = await webgpu({ gpu, float16: "storage" })
    .describe()
    .catch((error: unknown) => error);
  expect(found).toMatchObject({ code: "UnsupportedError" });
  expect(String(found)).toContain("an old GPU has no shader-f16; leave float16 out");
});

it.each([
  ["spotCheckEvery", 0, /spotCheckEvery is 0, expected a whole number from 1 on, or Infinity \(webgpu\.O1\)/],
  ["spotCheckEvery", 1.1, /spotCheckEvery is 1\.1/],
  ["spotCheckEvery", "3", /spotCheckEvery is 3/],
  ["spotCheckEvery", Symbol("n"), /spotCheckEvery is Symbol/],
  ["kernels", "fast", /kernels is fast, expected software or gpu or plain \(webgpu\.O2\)/],
  ["tuning", "hot", /tuning is hot, expected cold or warm/],
  ["float16", "bfloat", /float16 is bfloat, expected storage or products/],
  ["float16", true, /float16 is true/],
])("option %s of %s is refused", (name, value, message) => {
  expect(() => webgpu({ [name]: value })).toThrow(message);
});
