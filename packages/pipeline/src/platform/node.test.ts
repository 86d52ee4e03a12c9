import { beforeEach, describe, expect, it, vi } from "vitest";
import { node } from "./node.ts";

const existsSync = vi.hoisted(() => vi.fn<(path: string) => boolean>());
vi.mock("node:fs", async (original) => ({ ...(await original<typeof import("node:fs")>()), existsSync }));

describe("mayHaveGpu on Linux", () => {
  beforeEach(() => {
    vi.spyOn(process, "platform", "get").mockReturnValue("linux");
  });

  it.each([
    ["/dev/dri", true],
    ["/dev/nvidiactl", true],
    ["/dev/dxg", true],
    ["/dev/null", false],
  ])("where there is %s: %s", async (device, expected) => {
    existsSync.mockImplementation((path) => path === device);
    expect(await node.mayHaveGpu()).toBe(expected);
  });

  it("is possible where the runtime forbids to look, as Deno does without --allow-all", async () => {
    existsSync.mockImplementation((path) => {
      throw new Error(`Requires all access to "${path}", run again with the --allow-all flag`);
    });
    expect(await node.mayHaveGpu()).toBe(true);
  });
});
