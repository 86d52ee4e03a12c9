import { afterEach, expect, it, vi } from "vitest";
import { cacheFolder } from "./cache-folder.ts";

const { homedir } = vi.hoisted(() => ({ homedir: vi.fn<() => string>() }));
vi.mock("node:os", () => ({ homedir }));
afterEach(() => vi.unstubAllEnvs());

const noHome = () => {
  throw new Error("A system error occurred: uv_os_homedir returned ENOENT (no such file or directory)");
};

it.each([
  ["XDG_CACHE_HOME", "/var/cache", () => "/home/ada", "/var/cache/residual"],
  ["the home without it", undefined, () => "/home/ada", "/home/ada/.cache/residual"],
  ["the home where it is empty", "", () => "/home/ada", "/home/ada/.cache/residual"],
  [
    "the home where it is relative, which the specification has ignored",
    "cache",
    () => "/home/ada",
    "/home/ada/.cache/residual",
  ],
  ["XDG_CACHE_HOME where there is no home", "/var/cache", noHome, "/var/cache/residual"],
  ["none where there is no home", undefined, noHome, undefined],
  ["none where the home is empty", "", () => "", undefined],
])("is in %s", (_, given, home, expected) => {
  vi.stubEnv("XDG_CACHE_HOME", given);
  homedir.mockImplementation(home);
  expect(cacheFolder()).toBe(expected);
});
