import {
  constant,
  type Executable,
  type Graph,
  graph,
  input,
  ops,
  reference,
  type Tensor,
  tensor,
  tensorOf,
  type Variable,
  variable,
} from "@residual/core";
import { watchGpuMemory } from "@residual/kit/resources";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it, vi } from "vitest";
import { type WebgpuExecutable, webgpu } from "./index.ts";
import { expectAnswers, expectRunsAlike, followsVariables, learning, pattern } from "./testing/variable-layers.ts";

const gpu = await softwareGpu();

followsVariables("SwiftShader", webgpu({ gpu }), [
  /^repack/,
  /^winograd-f. weights$/,
  /lanes$/,
  /in fours$/,
  /^conv2d$/,
]);
followsVariables("kernels of GPUs", webgpu({ gpu, kernels: "gpu" }), [
  /^repack/,
  /^winograd-f. weights$/,
  /shared/,
  /splits/,
  /in fours$/,
  /^conv2d$/,
]);
followsVariables("plain kernels", webgpu({ gpu, kernels: "plain" }), [/^conv2d$/, /^pack$/]);

it.each([
  ["repack weights", { x: [1, 16, 6, 6], weight: [16, 16, 1, 1] }, "vec4f(x(", "vec4f(-x("],
  ["winograd-f2 weights", { x: [1, 128, 8, 8], weight: [128, 128, 3, 3] }, "] = x(", "] = -x("],
] as const)(
  "%s that a driver gets wrong is found out, and the plain kernel takes over",
  async (kernel, layer, right, wrong) => {
    const warnings: string[] = [];
    const { gpu: broken } = watchedGpu(gpu, (code, label) => (label === kernel ? code.replaceAll(right, wrong) : code));
    const { of, inputs } = learning("broken", layer, kernel.startsWith("winograd")); // not for weights that change
    const used = (await webgpu({ gpu }).compile(of)).programs.map(({ name }) => name);
    expect(used).toContain(kernel);
    const backend = webgpu({ gpu: broken, onWarning: (text) => warnings.push(text) });
    expect(await expectRunsAlike(backend, of, [inputs(1), inputs(2)])).toContain("conv2d");
    expect(warnings.join()).toContain(`computes ${kernel} wrong`);
  },
);

const plain = webgpu({ gpu, kernels: "plain" });
const [one, two] = [tensor([1, 3], [1, 2, 3]), tensor([1, 3], [10, 20, 30])];

describe("variables", () => {
  it("take each other's values at once", async () => {
    const [a, b] = [variable("a", one), variable("b", two)];
    const updates = [
      { variable: a, value: b },
      { variable: b, value: a },
    ];
    const of = graph({ name: "swap", inputs: {}, outputs: { sum: ops.add({ a, b }) }, updates });
    await using executable = await plain.compile(of);
    await executable.run({});
    expectAnswers(await executable.read(["a", "b"]), { a: two, b: one });
    await executable.run({});
    expectAnswers(await executable.read(["b"]), { b: two });
  });

  it("are outputs as they were before the run, and become inputs, constants and results", async () => {
    const [a, b, c] = [variable("a", one), variable("b", one), variable("c", tensor([1, 3, 1, 1], [1, 2, 3]))];
    const x = input("x", [1, 3]);
    const ten = constant("ten", two);
    const updates = [
      { variable: a, value: x },
      { variable: b, value: ten },
      { variable: c, value: ops.relu({ x: c }) },
    ];
    const of = graph({ name: "kinds", inputs: { x }, outputs: { a, b, flat: ops.flatten({ x: c }) }, updates });
    await expectRunsAlike(plain, of, [{ x: tensor([1, 3], [7, -8, 9]) }, { x: tensor([1, 3], [-1, 0, 1]) }]);
  });

  it("that nothing updates, or nothing reads, are given out too", async () => {
    const [still, unread] = [variable("still", one), variable("unread", one)];
    const of = graph({
      name: "still",
      inputs: {},
      outputs: { y: ops.relu({ x: still }) },
      updates: [{ variable: unread, value: still }],
    });
    await using executable = await plain.compile(of);
    await executable.run({});
    expectAnswers(await executable.read(["still", "unread"]), { still: one, unread: one });
    await expect(executable.read(["other"])).rejects.toThrow("still has no variable other; it has still, unread");
  });

  it("need no output", async () => {
    const count = variable("count", tensor([1, 4], [0, 0, 0, 0]));
    const step = constant("step", tensor([1, 4], [1, 1, 1, 1]));
    const of = graph({
      name: "count",
      inputs: {},
      outputs: {},
      updates: [{ variable: count, value: ops.add({ a: count, b: step }) }],
    });
    await using executable = await plain.compile(of);
    for (let run = 0; run < 5; run++) expect(await executable.run({})).toEqual({});
    expectAnswers(await executable.read(["count"]), { count: tensor([1, 4], [5, 5, 5, 5]) });
  });
});

/** Running sums of a weight of 16 × 16, for which kernels of different batches need different orders. */
function summing(): {
  of: Graph<"x" | "step", "y">;
  inputs: (batch: number) => { x: Tensor<"float32">; step: Tensor<"float32"> };
} {
  const [x, step] = [input("x", ["N", 16, 8, 8]), input("step", [16, 16, 3, 3])];
  const weight = variable("weight", pattern([16, 16, 3, 3], 1));
  const of = graph({
    name: "summing",
    inputs: { x, step },
    outputs: { y: ops.conv2d({ x, weight }, { padding: 1 }) },
    updates: [{ variable: weight, value: ops.add({ a: weight, b: step }) }],
  });
  return {
    of,
    inputs: (batch) => ({ x: pattern([batch, 16, 8, 8], batch), step: pattern([16, 16, 3, 3], batch + 1) }),
  };
}

describe("running sums", () => {
  const { of, inputs } = summing();

  it("go on through a change of batch", async () => {
    await expectRunsAlike(webgpu({ gpu }), of, [1, 3, 2, 1, 7].map(inputs));
  });

  it("go on after a batch that the device has no room for", async () => {
    const device = await (await gpu.requestAdapter())!.requestDevice(); // binds 128 MiB at most: 32,768 images
    await using executable = await webgpu({ device }).compile(of);
    await using exact = await reference.compile(of);
    await executable.run(inputs(1));
    await exact.run(inputs(1));
    const large = { ...inputs(1), x: tensorOf("float32", [32769, 16, 8, 8], new Float32Array(32769 * 16 * 64)) };
    await expect(executable.run(large)).rejects.toMatchObject({ code: "UnsupportedError" });
    expectAnswers(await executable.run(inputs(2)), await exact.run(inputs(2)));
    device.destroy();
  });

  it("stay as they were where a run is aborted, its last dispatches submitted", async () => {
    const { gpu: watched, devices } = watchedGpu(gpu);
    await using executable = await webgpu({ gpu: watched }).compile(of);
    const before = await executable.read(["weight"]);
    const abortAt = async (call: number) => {
      const stop = new AbortController();
      const submit = vi.spyOn(devices[0]!.queue, "submit");
      submit.mockImplementation(function (this: GPUQueue, buffers) {
        if (submit.mock.calls.length === call) stop.abort();
        return GPUQueue.prototype.submit.call(this, buffers);
      });
      const outcome = await executable
        .run(inputs(1), { signal: stop.signal })
        .catch(({ code }: { code: string }) => code);
      submit.mockRestore();
      return outcome;
    };
    expect(await abortAt(1)).toBe("AbortError"); // one submit has all dispatches; the copies to variables have another
    expect(await executable.read(["weight"])).toEqual(before);
    expect(await abortAt(0)).toHaveProperty("y");
    const after = await executable.read(["weight"]);
    expect(after).not.toEqual(before);
  });

  it("are packed once at load, and then after each update of theirs", async () => {
    const weights = [variable("changing", pattern([16, 16, 1, 1], 1)), variable("still", pattern([16, 16, 1, 1], 2))];
    const [changing, still] = weights as [Variable, Variable];
    const x = input("x", [1, 16, 8, 8]);
    const y = ops.conv2d({ x: ops.conv2d({ x, weight: changing }), weight: still });
    const updates = [{ variable: changing, value: still }];
    const packed = graph({ name: "packed", inputs: { x }, outputs: { y }, updates });
    const backend = webgpu({ gpu });
    await using before = await backend.compile(packed); // its kernels have passed the self-test
    const dispatches = vi.spyOn(GPUComputePassEncoder.prototype, "dispatchWorkgroups");
    const during = async (work: () => Promise<unknown>) => {
      dispatches.mockClear();
      await work();
      return dispatches.mock.calls.length;
    };
    const lines = before.plan.split("\n").filter((line) => /-> #/.test(line)).length;
    expect(before.plan.match(/^\w+: repack weights/gm)).toEqual(["changing: repack weights", "still: repack weights"]);
    expect(await during(async () => (await backend.compile(packed)).dispose())).toBe(2);
    expect(await during(() => before.run({ x: pattern([1, 16, 8, 8], 3) }))).toBe(lines + 1);
    dispatches.mockRestore();
  });

  it("take part in runs between buffers of the device", async () => {
    const backend = webgpu({ gpu });
    await using executable: WebgpuExecutable<"x" | "step", "y"> = await backend.compile(of);
    await using exact: Executable<"x" | "step", "y"> = await reference.compile(of);
    const device = await backend.device();
    const { COPY_SRC, COPY_DST } = GPUBufferUsage;
    const buffers = Object.entries(inputs(1)).map(([name, { data }]) => {
      const buffer = device.createBuffer({ size: data.byteLength, usage: COPY_SRC | COPY_DST });
      device.queue.writeBuffer(buffer, 0, data);
      return [name, buffer] as const;
    });
    const given = Object.fromEntries(buffers) as { x: GPUBuffer; step: GPUBuffer };
    await executable.runOnDevice({ inputs: given, outputs: {} });
    await exact.run(inputs(1));
    expectAnswers(await executable.run(inputs(1)), await exact.run(inputs(1)));
    for (const buffer of Object.values(given)) buffer.destroy();
  });

  it("leave nothing on the device", async () => {
    const backend = webgpu({ gpu });
    await using before = await backend.compile(of); // its kernels have passed the self-test
    await before.run(inputs(1));
    using memory = watchGpuMemory();
    const executable = await backend.compile(of);
    for (const batch of [1, 2, 1]) await executable.run(inputs(batch));
    await executable.read(["weight"]);
    expect(memory.count()).toBeGreaterThan(0);
    await executable.dispose();
    expect(memory.count()).toBe(0);
  });

  it("are worked on with no way through the host", async () => {
    const { gpu: watched, devices } = watchedGpu(gpu);
    await using executable = await webgpu({ gpu: watched }).compile(of);
    await executable.run(inputs(1));
    const write = vi.spyOn(devices[0]!.queue, "writeBuffer");
    await executable.run(inputs(1));
    const written = write.mock.calls.map(([, , data]) => (data as Float32Array).length);
    expect(written).toEqual([16 * 64, 16 * 16 * 9]); // only the inputs
  });
});
