import {
  AbortError,
  abortError,
  type Backend,
  BackendUnavailableError,
  backendOf,
  bind,
  DeviceLostError,
  FormatError,
  fixtureWeights,
  reference,
  resnet,
  tensor,
  UnsupportedError,
  variants,
} from "@residual/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { node } from "../platform/node.ts";
import type { Platform, TextCache } from "../platform/platform.ts";
import { Chooser } from "./choose.ts";
import type { BackendName } from "./table.ts";

/** What a stub does otherwise than to work at once. */
interface Stub {
  readonly describe?: () => never;
  readonly compile?: () => never;
  readonly device?: string;
  readonly version?: string;
  /** Milliseconds of a run. */
  readonly takes?: number;
  /** What it multiplies its answers by. */
  readonly error?: number;
  readonly onRun?: () => void;
}

const missing = (): never => {
  throw new BackendUnavailableError("onnx: onnxruntime-node is not installed; npm install onnxruntime-node");
};
const doesNotLoad = (): never => {
  throw new BackendUnavailableError("onnx: onnxruntime-node does not load (empty file); npm install onnxruntime-node");
};
const lost = (): never => {
  throw new DeviceLostError("webgpu: the device is lost; compile again");
};
const refuses = (): never => {
  throw new UnsupportedError("webgpu: this adapter does not take the kernel conv2d");
};

const small = fixed(variants.cifar_resnet20, [1, 3, 32, 32]);
/** 1.3e9 multiply-adds, of one block. */
const large = fixed({ block: "basic", depths: [1], stem: "cifar", classes: 2 }, [1, 3, 132, 132]);

function fixed(spec: Parameters<typeof resnet>[0], input: readonly number[]) {
  const open = resnet(spec, { name: `of ${input.join("x")}`, input });
  return bind(open, fixtureWeights(open, "v1"));
}

function memory(): TextCache & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    read: async (key) => texts.get(key),
    write: async (key, text) => {
      texts.set(key, text);
    },
  };
}

/** `auto` among stubs; backends without one are not installed. */
function among(stubs: { readonly [Name in BackendName]?: Stub }, platform: Partial<Platform> = {}) {
  const warnings: string[] = [];
  const log: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const here = { ...node, mayHaveGpu: async () => true, cache: async () => undefined, ...platform };
  const chooser = new Chooser("auto", { onWarning }, here, async (name) => {
    const stub = stubs[name] ?? (name === "wasm" ? {} : undefined);
    return stub ? stubBackend(name, stub, log) : missing();
  });
  return { chooser, warnings, log };
}

/** Advances as stubs run. */
let clock = 0;
beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => clock);
});
afterEach(() => vi.restoreAllMocks());

function stubBackend(
  name: string,
  { describe, compile, device = "cpu", version = "1", takes = 0, error = 1, onRun }: Stub,
  log: string[],
): Backend {
  return backendOf({
    name,
    describe: async () => describe?.() ?? { library: "stub", version, device, dtypes: ["float32"] },
    async load(graph) {
      const isCheck = graph.name === "auto";
      log.push(`${isCheck ? "check" : "compile"} ${name}`);
      compile?.();
      const exact = isCheck ? await reference.compile(graph) : undefined;
      return {
        async run(inputs) {
          clock += takes;
          onRun?.();
          const answers = Object.entries((await exact?.run(inputs)) ?? {});
          return Object.fromEntries(
            answers.map(([value, { shape, data }]) => [
              value,
              tensor(
                shape,
                Array.from(data, (each) => each * error),
              ),
            ]),
          );
        },
        async dispose() {
          if (!isCheck) log.push(`dispose ${name}`);
        },
      };
    },
  });
}

const gpu = "nvidia-geforce-rtx-4090";

describe("auto", () => {
  it("takes native code for a small network, a GPU or not, and says why", async () => {
    const { chooser, warnings, log } = among({ onnx: {}, webgpu: { device: gpu } });
    const { backend, reason } = await chooser.compile(small, {});
    expect([backend.name, reason, warnings, log]).toEqual([
      "onnx",
      "native code on the CPU",
      [],
      ["check onnx", "compile onnx"],
    ]);
  });

  it.each<[string, Stub, string, string[]]>([
    ["is not installed", { describe: missing }, "onnx: onnxruntime-node is not installed", []],
    [
      "does not load",
      { describe: doesNotLoad },
      "onnx: onnxruntime-node does not load (empty file)",
      ["does not load"],
    ],
    ["loses its device at once", { compile: lost }, "onnx: the device is lost", ["the device is lost"]],
    ["does not take the network", { compile: refuses }, "onnx: this adapter does not take", ["does not take"]],
  ])("goes on where a backend %s, and says so in one line", async (_, stub, why, warned) => {
    const { chooser, warnings } = among({ onnx: stub });
    const { backend, reason } = await chooser.compile(small, {});
    expect(backend.name).toBe("wasm");
    expect(reason).toContain("WebAssembly on the CPU (onnx: ");
    expect(reason).toContain(why);
    expect(warnings).toHaveLength(warned.length);
    if (warned[0]) expect(warnings[0]).toMatch(new RegExp(`^auto runs on wasm: .*${warned[0]}`));
  });

  it("warns once, though it is warmed up first", async () => {
    const { chooser, warnings } = among({ onnx: { describe: doesNotLoad } });
    await chooser.warmUp();
    await chooser.compile(small, {});
    expect(warnings).toHaveLength(1);
  });

  it("does not hide other errors", async () => {
    const broken = (): never => {
      throw new FormatError("a mistake");
    };
    await expect(among({ onnx: { compile: broken } }).chooser.compile(small, {})).rejects.toThrow("a mistake");
  });

  it("does not pass over a backend for an option that it refuses", async () => {
    const { chooser } = among({ onnx: { describe: refuses } });
    await expect(chooser.compile(small, {})).rejects.toThrow(UnsupportedError);
  });

  it("takes wasm without a warning where no runtime is installed", async () => {
    const { chooser, warnings, log } = among({}, { cache: async () => memory() });
    const { backend, reason } = await chooser.compile(small, {});
    expect([backend.name, warnings, log]).toEqual(["wasm", [], ["compile wasm"]]);
    expect(reason).toMatch(/^WebAssembly on the CPU \(onnx: onnxruntime-node is not installed; webgpu: /);
  });

  it("says why wasm does not work either, where nothing does", async () => {
    const forbidden = (): never => {
      throw new BackendUnavailableError("wasm: this page forbids it; add 'wasm-unsafe-eval' to its script-src");
    };
    const { chooser } = among({ wasm: { compile: forbidden } });
    await expect(chooser.compile(small, {})).rejects.toThrow("add 'wasm-unsafe-eval'");
  });

  it("names what is missing of each where not even wasm can begin", async () => {
    const none = (): never => {
      throw new BackendUnavailableError("wasm: there is no WebAssembly here; take reference");
    };
    const { chooser } = among({ wasm: { describe: none } });
    const message = new RegExp(
      "^auto: no backend works here: onnx: onnxruntime-node is not installed; " +
        ".*wasm: there is no WebAssembly here; reference works",
    );
    await expect(chooser.compile(small, {})).rejects.toThrow(message);
    await expect(chooser.choose(0)).rejects.toThrow(message);
    await expect(chooser.choose(0)).rejects.toBeInstanceOf(BackendUnavailableError);
  });

  it.each(["llvmpipe (LLVM 15.0.6, 256 bits)", "google swiftshader", "Microsoft WARP"])(
    "passes over %s for a large network",
    async (device) => {
      const { chooser, log } = among({ onnx: {}, webgpu: { device } });
      const { backend, reason } = await chooser.compile(large, {});
      expect([backend.name, log]).toEqual(["onnx", ["check onnx", "compile onnx"]]);
      expect(reason).toBe(`native code on the CPU (webgpu: its adapter is software, ${device})`);
    },
  );

  it("does not look for an adapter where there can be no GPU", async () => {
    const { chooser } = among({ onnx: {}, webgpu: { describe: lost } }, { mayHaveGpu: async () => false });
    expect((await chooser.compile(large, {})).reason).toBe("native code on the CPU (webgpu: there is no GPU)");
  });

  it("takes wasm before a software adapter", async () => {
    const { chooser } = among({ webgpu: { device: "llvmpipe" } });
    expect((await chooser.choose(0)).backend.name).toBe("wasm");
  });
});

describe("the answers of native code", () => {
  const wrong = { onnx: { error: 1 + 1e-3 } };

  it("are checked before its first use: wrong ones are a warning, and it is passed over", async () => {
    const { chooser, warnings, log } = among(wrong);
    expect((await chooser.choose(0)).backend.name).toBe("wasm");
    expect((await chooser.compile(small, {})).backend.name).toBe("wasm");
    expect(log).toEqual(["check onnx", "compile wasm"]);
    expect(warnings[0]).toMatch(
      new RegExp(
        "^auto runs on wasm: onnx: it gives wrong answers \\(\\w+\\[\\d+\\] of a small network is \\S+, " +
          "expected \\S+ ± \\S+\\); install stub again",
      ),
    );
  });

  it("are checked once on a machine, but again for another version, and as long as they are wrong", async () => {
    const platform = { cache: async () => cache };
    const cache = memory();
    const checks = async (onnx: Stub) => {
      const { chooser, log } = among({ onnx }, platform);
      await chooser.choose(0);
      return log;
    };
    expect(await checks({ error: 2 })).toEqual(["check onnx"]);
    expect(await checks({})).toEqual(["check onnx"]);
    expect(await checks({})).toEqual([]);
    expect(await checks({ version: "2" })).toEqual(["check onnx"]);
  });
});

describe("a small network on native code", () => {
  const both = { onnx: { takes: 5 }, wasm: { takes: 2 } };

  it("is timed on wasm too, once, and the quicker one is kept by its runtime's version", async () => {
    const cache = memory();
    const compiled = async (stubs: Parameters<typeof among>[0]) => {
      const { chooser, log } = among(stubs, { cache: async () => cache });
      const { backend, reason } = await chooser.compile(small, {});
      return [backend.name, reason, log.filter((line) => !line.startsWith("check"))];
    };
    const slow = { onnx: { takes: 2 }, wasm: { takes: 5 } };
    const measured = "measured: 2.0 ms for an image, wasm 5.0 ms";
    expect(await compiled(slow)).toEqual(["onnx", measured, ["compile onnx", "compile wasm", "dispose wasm"]]);
    expect(await compiled(slow)).toEqual(["onnx", measured, ["compile onnx"]]);
    const updated = { ...both, onnx: { takes: 5, version: "2" } };
    const other = "measured: 2.0 ms for an image, onnx 5.0 ms";
    expect(await compiled(updated)).toEqual(["wasm", other, ["compile onnx", "compile wasm", "dispose onnx"]]);
    expect(await compiled(updated)).toEqual(["wasm", other, ["compile wasm"]]);
  });

  it("is not timed where nothing can be kept", async () => {
    const { chooser, log } = among(both);
    expect((await chooser.compile(small, {})).backend.name).toBe("onnx");
    expect(log).toEqual(["check onnx", "compile onnx"]);
  });

  it("is run again and again while that is quick, and twice where it is not", async () => {
    const runs = async (takes: number) => {
      const onRun = vi.fn<() => void>();
      const { chooser } = among({ onnx: {}, wasm: { takes, onRun } }, { cache: async () => memory() });
      await chooser.compile(small, {});
      return onRun.mock.calls.length;
    };
    expect([await runs(0), await runs(10), await runs(2000)]).toEqual([100, 25, 2]);
  });
});

describe("a large network on a machine with a GPU", () => {
  const stubs = { onnx: { takes: 20 }, webgpu: { device: gpu, takes: 1 } };

  it("is timed on both, once, and the quicker one is kept, the other disposed", async () => {
    const cache = memory();
    const first = among(stubs, { cache: async () => cache });
    const found = await first.chooser.compile(large, {});
    expect(found.backend.name).toBe("webgpu");
    expect(found.reason).toMatch(/^measured: \d+\.\d ms for an image, onnx \d+\.\d ms$/);
    expect(first.log).toEqual(["compile webgpu", "check onnx", "compile onnx", "dispose onnx"]);
    const second = among(stubs, { cache: async () => cache });
    const again = await second.chooser.compile(large, {});
    expect([again.backend.name, again.reason]).toEqual(["webgpu", found.reason]);
    expect(second.log).toEqual(["compile webgpu"]);
  });

  it("goes to the CPU where that is quicker, at once the next time", async () => {
    const cache = memory();
    const slow = { onnx: { takes: 1 }, webgpu: { device: gpu, takes: 20 } };
    const platform = { cache: async () => cache };
    expect((await among(slow, platform).chooser.compile(large, {})).backend.name).toBe("onnx");
    const second = among(slow, platform);
    expect((await second.chooser.compile(large, {})).backend.name).toBe("onnx");
    expect(second.log).toEqual(["compile onnx"]);
  });

  it("is timed anew for another network, on other processors, and where the cache holds something else", async () => {
    const cache = memory();
    const platform = { cache: async () => cache };
    await among(stubs, platform).chooser.compile(large, {});
    const elsewhere = among(stubs, { ...platform, processors: async () => "others" });
    await elsewhere.chooser.compile(large, {});
    expect(elsewhere.log).toContain("compile onnx");
    for (const key of cache.texts.keys()) cache.texts.set(key, "{");
    const damaged = among(stubs, platform);
    await damaged.chooser.compile(large, {});
    expect(damaged.log).toContain("compile onnx");
  });

  it("stays on the GPU where the CPU's backend does not compile, and goes to the CPU where the GPU's does not", async () => {
    const platform = { cache: async () => memory() };
    const onGpu = among({ onnx: { compile: doesNotLoad }, webgpu: { device: gpu } }, platform);
    expect((await onGpu.chooser.compile(large, {})).backend.name).toBe("webgpu");
    const onCpu = among({ onnx: {}, webgpu: { device: gpu, compile: lost } });
    expect((await onCpu.chooser.compile(large, {})).backend.name).toBe("onnx");
    expect(onCpu.warnings[0]).toMatch(/^auto runs on onnx: webgpu: the device is lost/);
  });

  it("leaves nothing open when it is aborted while it is timed", async () => {
    const controller = new AbortController();
    const aborts = (): never => {
      controller.abort();
      throw abortError(controller.signal);
    };
    const platform = { cache: async () => memory() };
    const { chooser, log } = among({ onnx: { compile: aborts }, webgpu: { device: gpu } }, platform);
    await expect(chooser.compile(large, { signal: controller.signal })).rejects.toThrow(AbortError);
    expect(log).toEqual(["compile webgpu", "check onnx", "dispose webgpu"]);
  });
});

describe("a backend that is named", () => {
  it("is taken, or its error thrown", async () => {
    const chooser = new Chooser("onnx", {}, node, async () => stubBackend("onnx", { describe: doesNotLoad }, []));
    await expect(chooser.compile(small, {})).rejects.toThrow("does not load");
  });

  it("leaves nothing open where it cannot be described", async () => {
    const log: string[] = [];
    const chooser = new Chooser(stubBackend("mine", { describe: missing }, log), {}, node);
    await expect(chooser.compile(small, {})).rejects.toThrow(BackendUnavailableError);
    expect(log).toEqual(["compile mine", "dispose mine"]);
  });

  it("that is an object is taken as it is", async () => {
    const { backend, reason } = await new Chooser(reference, {}, node).choose(0);
    expect([backend, reason]).toEqual([reference, "it was asked for"]);
  });
});
