import { BackendUnavailableError, DeviceLostError, OutOfMemoryError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { threadError, urlOfThread } from "./threads.ts";

const code = { owner: "onnx", file: "threads", besideUrl: import.meta.url, given: undefined };

describe("urlOfThread", () => {
  it("finds the file beside the module, with its ending, or where it is told to", () => {
    const found = new URL("./threads.ts", import.meta.url);
    expect(urlOfThread(code)).toEqual(found);
    for (const given of [found, found.href, found.pathname]) expect(urlOfThread({ ...code, given })).toEqual(found);
    const data = "data:text/javascript,0";
    expect(urlOfThread({ ...code, given: data }).href).toBe(data);
  });

  it.each([
    ["beside a bundle", { file: "gone" }, /kit\/src\/gone\.ts is missing/],
    ["of a bundle to CommonJS, which knows no URL", { besideUrl: undefined }, /threads\.js cannot be found/],
    ["at a path", { given: "/bundle/worker.js" }, /\/bundle\/worker\.js is missing/],
  ])("names the file that is missing %s, and each way out", (_, change, words) => {
    const find = () => urlOfThread({ ...code, ...change });
    expect(find).toThrow(BackendUnavailableError);
    expect(find).toThrow(words);
    for (const wayOut of ["mark @residual/onnx as external", "onnx({ worker: path })", "onnx({ worker: false })"])
      expect(find).toThrow(wayOut);
  });
});

describe("threadError", () => {
  const failure = (code: string, message: string) => Object.assign(new Error(message), { code });

  it.each([
    ["files", failure("ERR_WORKER_INIT_FAILED", "Worker initialization failure: EMFILE"), "ulimit -n"],
    ["a folder", failure("ENOENT", "ENOENT: process.cwd failed, uv_cwd"), "change to one that exists"],
    ["a module", failure("ERR_MODULE_NOT_FOUND", "Cannot find module 'x'\nat y"), "with all that it imports"],
    ["something else", undefined, "onnx({ worker: false })"],
  ])("of a thread that does not start for want of %s holds the reason and the way out", (_, cause, words) => {
    const error = threadError("onnx", false, cause);
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect(error.cause).toBe(cause);
    if (cause) expect(error.message).toContain(`does not start (${cause.message.split("\n")[0]})`);
    expect(error.message).toContain(words);
  });

  it("tells a thread that has worked from one that has not", () => {
    expect(threadError("onnx", true, new Error("gone"))).toBeInstanceOf(DeviceLostError);
    expect(threadError("onnx", true, new Error("gone")).message).toContain("has ended (gone); compile the graph again");
  });

  it("knows one that ran out of memory", () => {
    const cause = failure("ERR_WORKER_OUT_OF_MEMORY", "limit");
    expect(threadError("onnx", false, cause)).toBeInstanceOf(OutOfMemoryError);
  });
});
