import { type Backend, DeviceLostError, graph, input, ops, tensor } from "@residual/core";
import { webgpu } from "@residual/webgpu";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it } from "vitest";
import { conforms } from "./vitest.ts";

/** SwiftShader: slow, and the same on every machine. Small models, then, and no 200 rounds. */
const models = ["cifar_resnet20", "seed000_block_s2"] as const;
const backend = webgpu({ gpu: await softwareGpu() });

await conforms(backend, { only: ["ops", "nodes", "models"], models });

describe("a device that goes away", () => {
  it("is an error of its own, and the next compile gets another", async () => {
    const devices: GPUDevice[] = [];
    const fresh = webgpu({ gpu: watched(await softwareGpu(), devices) });
    const { executable, x } = await compiled(fresh);
    expect((await executable.run({ x })).y.data).toEqual(Float32Array.of(0, 2));
    devices[0]!.destroy();
    await devices[0]!.lost;
    await expect(executable.run({ x })).rejects.toThrow(DeviceLostError);
    await executable.dispose();
    const again = await compiled(fresh);
    expect((await again.executable.run({ x })).y.data).toEqual(Float32Array.of(0, 2));
    await again.executable.dispose();
    expect(devices).toHaveLength(2);
  });
});

async function compiled(on: Backend) {
  const x = input("x", [1, 2]);
  const small = graph({ name: "small", inputs: { x }, outputs: { y: ops.relu({ x }) } });
  return { executable: await on.compile(small), x: tensor([1, 2], [-1, 2]) };
}

/** Keeps the devices that are given out. */
function watched(gpu: GPU, devices: GPUDevice[]): GPU {
  return {
    requestAdapter: async (options?: GPURequestAdapterOptions) => {
      const adapter = (await gpu.requestAdapter(options))!;
      return {
        info: adapter.info,
        limits: adapter.limits,
        features: adapter.features,
        requestDevice: async (descriptor?: GPUDeviceDescriptor) => {
          const device = await adapter.requestDevice(descriptor);
          devices.push(device);
          return device;
        },
      };
    },
  } as unknown as GPU;
}
