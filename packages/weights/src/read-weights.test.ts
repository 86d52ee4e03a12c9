import { truncateSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { FormatError, OutOfMemoryError, tensor, tensorOf, UnsupportedError } from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { fileOf, join } from "./testing/bytes.ts";
import { sharedPath } from "./testing/shared.ts";
import { readTensors } from "./weights.ts";
import { encodeSafetensors, writeSafetensors } from "./write-safetensors.ts";

let folder: string;
let path: string;
const size = 5_000_000; // elements: several chunks
const large = Float32Array.from({ length: size }, (_, i) => i);

beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), "residual-read-"));
  path = joinPath(folder, "large.safetensors");
  const small = tensorOf("int64", [], new BigInt64Array([3n]));
  await writeSafetensors(path, { large: tensorOf("float32", [size], large), small, last: tensor([2], [5, 6]) });
});
afterAll(() => rm(folder, { recursive: true }));

describe("a file", () => {
  it("is read by its path, relative or absolute, and by its URL", async () => {
    for (const source of [path, relative(process.cwd(), path), pathToFileURL(path), pathToFileURL(path).href]) {
      const { tensors } = await readTensors(await readWeights(source));
      expect([...tensors.keys()]).toEqual(["large", "small", "last"]);
      expect(
        Buffer.compare(Buffer.from(tensors.get("large")!.data.buffer, 8, size * 4), Buffer.from(large.buffer)),
      ).toBe(0);
      expect(tensors.get("small")?.data).toEqual(new BigInt64Array([3n]));
    }
  });

  it("gives views on one buffer", async () => {
    const { tensors } = await readTensors(await readWeights(relative(process.cwd(), path)));
    const last = tensors.get("last")!;
    expect(last.data.buffer).toBe(tensors.get("large")!.data.buffer);
    expect(last.data).toEqual(Float32Array.of(5, 6));
  });

  it("tells how far it has come, up to the end", async () => {
    const seen: number[] = [];
    await readWeights(path, { onProgress: ({ done, total }) => seen.push(done / total) });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it("stops when aborted, before and on the way", async () => {
    await expect(readWeights(path, { signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "AbortError",
      cause: "no",
    });
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => {
      seen.push(done / total);
      controller.abort("enough");
    };
    const reading = readWeights(path, { signal: controller.signal, onProgress });
    await expect(reading).rejects.toMatchObject({ code: "AbortError", cause: "enough" });
    expect(seen.every((share) => share < 1)).toBe(true);
  });

  it("may have its data anywhere: unaligned ones are copied", async () => {
    const unaligned = joinPath(folder, "unaligned.safetensors");
    const header =
      '{"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}  ';
    await writeFile(
      unaligned,
      fileOf(header, join([new Uint8Array([7]), new Uint8Array(Float32Array.of(2.5).buffer)])),
    );
    const { tensors } = await readWeights(unaligned);
    expect(tensors.get("x")).toMatchObject({ data: Float32Array.of(2.5) });
  });
});

describe("what is refused", () => {
  const refusal = async (source: string | URL) => {
    const reading = readWeights(source);
    await expect(reading).rejects.toThrow(FormatError);
    return reading.catch((error: Error) => error.message);
  };

  it("a file that is not there, a directory, a device", async () => {
    expect(await refusal(joinPath(folder, "none.safetensors"))).toMatch(
      /none\.safetensors: there is no such file; check the path/,
    );
    await mkdir(joinPath(folder, "dir.safetensors"));
    expect(await refusal(joinPath(folder, "dir.safetensors"))).toMatch(
      /found a directory, expected a \.safetensors file/,
    );
    if (process.platform !== "win32") expect(await refusal("/dev/zero")).toMatch(/found no regular file/);
  });

  it("an empty file, a truncated one, one with bytes left over", async () => {
    const damaged = joinPath(folder, "damaged.safetensors");
    await writeFile(damaged, "");
    expect(await refusal(damaged)).toMatch(/damaged\.safetensors: the file is empty; .*download or save it again/);
    const bytes = join(encodeSafetensors({ x: tensor([2], [1, 2]) }));
    await writeFile(damaged, bytes.subarray(0, -1));
    expect(await refusal(damaged)).toMatch(/tensor "x": data_offsets \[0, 8\] lie outside the 7 bytes of data/);
    await writeFile(damaged, join([bytes, new Uint8Array(1)]));
    expect(await refusal(damaged)).toMatch(/its tensors end at byte 8 of the data, which holds 9/);
  });

  it("a header of 100 MB in a file of 200 bytes or of a terabyte, without allocating it", async () => {
    const hostile = joinPath(folder, "hostile.safetensors");
    await writeFile(hostile, fileOf("{}", new Uint8Array(200), 100_000_000n));
    expect(await refusal(hostile)).toMatch(/its header claims 100000000 bytes, expected at most 202/);
    await writeFile(hostile, fileOf("{}", new Uint8Array(200), 2n ** 40n));
    await truncate(hostile, 2 ** 40); // sparse: takes no room on the disk
    expect(await refusal(hostile)).toMatch(/its header claims 1099511627776 bytes, expected at most 100000000/);
  });

  it("a file that shrinks while it is read", async () => {
    const shrinking = joinPath(folder, "shrinking.safetensors");
    await copyFile(path, shrinking);
    const reading = readWeights(shrinking, { onProgress: () => truncateSync(shrinking) });
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(/it ended at byte \d+ while it was read/);
  });

  it.skipIf(process.platform === "win32")("a terabyte, for which there is no memory", async () => {
    const huge = joinPath(folder, "huge.safetensors");
    const header = `{"x":{"dtype":"U8","shape":[${2 ** 40}],"data_offsets":[0,${2 ** 40}]}}`;
    await writeFile(huge, fileOf(header, new Uint8Array(0)));
    await truncate(huge, 8 + header.length + 2 ** 40);
    await expect(readWeights(huge)).rejects.toThrow(OutOfMemoryError);
  });

  it("file addresses that name no file here", async () => {
    expect(await refusal("file:///a%2Fb.safetensors")).toMatch(/give the path of a file/);
  });

  it("a dtype that core lacks, before its data are read", async () => {
    const bytes = fileOf('{"mask":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(1));
    await expect(readWeights(bytes)).rejects.toThrow(/the given bytes: tensor "mask" is BOOL/);
  });

  it.each([".pth", ".pt", ".th", ".h5", ".onnx", ".PTH"])("%s, and says how to convert it", async (ending) => {
    const reading = readWeights(`some/where${ending}`);
    await expect(reading).rejects.toThrow(UnsupportedError);
    await expect(reading).rejects.toThrow(/is not read yet, expected \.safetensors; convert it in Python: .*save_file/);
  });

  it("addresses on the web", async () => {
    await expect(readWeights("https://example.org/a.safetensors")).rejects.toThrow(UnsupportedError);
    await expect(readWeights(new URL("https://example.org/a.safetensors"))).rejects.toThrow(
      /expected a file; download it first/,
    );
  });
});

const realFiles = [
  ["data/weights/cifar-resnet/resnet20-12fca82f.safetensors", 97],
  ["data/weights/cifar-resnet/resnet44-014dd654.safetensors", 217],
  ["data/weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors", 48],
  ["data/weights/resnet50v2-trunk/stem-stage1-stage2.safetensors", 116],
  ["data/weights/squeezenet1.1/squeezenet1.1.safetensors", 52],
] as const;

describe.each(realFiles)("%s", (file, count) => {
  const real = sharedPath(file);

  it.skipIf(!real)("is read whole and written back the same", async () => {
    const { tensors, metadata } = await readTensors(await readWeights(real!));
    expect(tensors.size).toBe(count);
    const again = await readWeights(join(encodeSafetensors(tensors, metadata)));
    for (const [name, { data }] of tensors) expect(again.tensors.get(name)!.data).toEqual(data);
    expect(again.metadata).toEqual(metadata);
  });
});
