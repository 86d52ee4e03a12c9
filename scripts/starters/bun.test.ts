import { expect, it, onTestFinished } from "vitest";
import { expectAnswers, sendTo } from "./http.ts";
import { Program } from "./starter.ts";

it("answers pictures, and ends on Ctrl-C", async () => {
  const program = new Program("bun", "start");
  onTestFinished(async () => void (await program.stop()));
  const url = await program.url();
  await expectAnswers(sendTo(url));
  expect((await fetch(url)).status).toBe(404);
  expect(await program.stop()).toBe(0);
  expect(program.said.trim().split("\n")).toHaveLength(1); // its address, and no warning
});
