/// <reference types="@webgpu/types" />

import { expect, it } from "vitest";
import { create, globals } from "webgpu";
import { watchGpuMemory } from "./gpu-memory.ts";

Object.assign(globalThis, globals);
/** Dawn without a driver: it makes objects, and computes nothing. */
const gpu = create(["backend=null"]);

it("counts buffers and textures that are kept, on devices that are kept", async () => {
  const device = async () => (await gpu.requestAdapter())!.requestDevice();
  const [first, second] = [await device(), await device()];
  const buffer = (on: GPUDevice) => on.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
  const texture = (on: GPUDevice) =>
    on.createTexture({ size: [4], format: "rgba32float", usage: GPUTextureUsage.STORAGE_BINDING });
  const before = buffer(first);
  using watched = watchGpuMemory();
  const [a, b] = [buffer(first), texture(first)];
  buffer(first);
  texture(second);
  expect(watched.count()).toBe(4);
  a.destroy();
  a.destroy();
  b.destroy();
  before.destroy(); // was not made since the start
  expect(watched.count()).toBe(2);
  second.destroy();
  expect(watched.count()).toBe(1);
  first.destroy();
  expect(watched.count()).toBe(0);
});

it("leaves WebGPU as it was", () => {
  const prototypes = [GPUDevice.prototype, GPUBuffer.prototype, GPUTexture.prototype];
  const methods = () => prototypes.map((each) => Object.values(Object.getOwnPropertyDescriptors(each)));
  const before = methods();
  {
    using _ = watchGpuMemory();
    expect(methods()).not.toEqual(before);
  }
  expect(methods()).toEqual(before);
});
