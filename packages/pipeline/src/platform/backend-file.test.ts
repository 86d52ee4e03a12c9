import { BackendUnavailableError, reference } from "@residual/core";
import { describe, expect, it } from "vitest";
import { chooseBackend } from "../index.ts";
import { OptionError } from "../option-error.ts";
import { backendAmong } from "./backend-file.ts";

const mine = { ...reference, name: "mine" };
const other = { ...reference, name: "other" };
const among = (exported: object, options = {}) => backendAmong(exported, "./mine.ts", options);

describe("the backend among a module's exports", () => {
  it.each([
    ["the default export", { default: mine, other }],
    ["what the default export makes", { default: () => mine, other }],
    ["what it promises", { default: async () => mine }],
    ["the only backend beside other things", { mine, version: 1, helper: () => 1 }],
    ["the only backend, if the default export is something else", { default: { port: 8000 }, mine }],
    ["what the only function makes", { makeMine: () => mine, version: 1 }],
    ["what a CommonJS module is", { default: mine, "module.exports": mine }],
  ])("is %s", async (_, exported) => {
    expect((await among(exported)).name).toBe("mine");
  });

  it("is made with the options", async () => {
    const make = ({ threads }: { threads: number }) => ({ ...mine, name: `on ${threads}` });
    expect((await among({ make }, { threads: 3 })).name).toBe("on 3");
  });

  it.each([
    ["nothing", {}, "the module exports nothing; expected a Backend { name, describe(), compile() }, or a function"],
    [
      "nothing that is one",
      { version: 1, tools: { run: 1, stop: 2 }, none: null },
      "the module exports version (1), tools (an object { run, stop }), none (null); expected a Backend",
    ],
    ["half of one", { default: { name: "mine", compile() {} } }, "default (an object { name, compile }); expected"],
    ["a function that makes none", { make: () => 7 }, "the export make is a function that returns 7; expected"],
    ["two of them", { mine, other }, "the module exports 2 backends, mine, other; make one the default export"],
    ["two functions", { f() {}, g() {} }, "the module exports 2 functions, f, g; make one the default export"],
    [
      "a function that throws",
      {
        make() {
          throw new RangeError("no room");
        },
      },
      "the export make throws: RangeError: no room",
    ],
  ])("%s: an OptionError says what was found", async (_, exported, message) => {
    await expect(among(exported)).rejects.toThrow(OptionError);
    await expect(among(exported)).rejects.toThrow(`backend ./mine.ts: `);
    await expect(among(exported)).rejects.toThrow(message);
  });

  it("that is unavailable says so itself", async () => {
    const make = () => {
      throw new BackendUnavailableError("npm install it");
    };
    await expect(among({ make })).rejects.toThrow(BackendUnavailableError);
  });
});

it("a Backend itself is chosen as it is", async () => {
  expect((await chooseBackend(mine)).backend).toBe(mine);
});
