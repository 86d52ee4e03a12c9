import { softwareGpu } from "@residual/webgpu-software";
import { expect, it } from "vitest";
import { watchGpuBuffers } from "./gpu-buffers.ts";

const gpu = await softwareGpu();

it("counts buffers that are kept, on devices that are kept", async () => {
  const device = async () => (await gpu.requestAdapter())!.requestDevice();
  const [first, second] = [await device(), await device()];
  const make = (on: GPUDevice) => on.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
  const before = make(first);
  using watched = watchGpuBuffers();
  const [a] = [make(first), make(first), make(second)];
  expect(watched.count()).toBe(3);
  a!.destroy();
  a!.destroy();
  before.destroy(); // is none of those made since
  expect(watched.count()).toBe(2);
  second.destroy();
  expect(watched.count()).toBe(1);
  first.destroy();
  expect(watched.count()).toBe(0);
});

it("leaves WebGPU as it was", () => {
  const methods = () => [GPUDevice.prototype.createBuffer, GPUDevice.prototype.destroy, GPUBuffer.prototype.destroy];
  const before = methods();
  {
    using _ = watchGpuBuffers();
    expect(methods()).not.toEqual(before);
  }
  expect(methods()).toEqual(before);
});
