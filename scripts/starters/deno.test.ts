import { once } from "node:events";
import { connect } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { expectAnswers, sendTo } from "./http.ts";
import { Program } from "./starter.ts";

it("answers pictures, and ends on Ctrl-C", async () => {
  const program = new Program("deno", "start");
  onTestFinished(async () => void (await program.stop()));
  const url = await program.url();
  await expectAnswers(sendTo(url));
  expect((await fetch(url)).status).toBe(405);
  expect(await program.stop()).toBe(0);
  expect(program.said.trim().split("\n")).toHaveLength(1); // its address, and no warning
});

it("a second Ctrl-C waits for no request", async () => {
  const program = new Program("deno", "start");
  onTestFinished(() => void program.child.kill("SIGKILL"));
  const { port } = new URL(await program.url());
  const socket = connect(Number(port), "localhost");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\nhalf");
  await once(socket, "data"); // the server asks for the body
  program.child.kill("SIGINT");
  await expect.poll(() => fetch(`http://localhost:${port}`).then(String, () => "closed")).toBe("closed");
  expect(await program.stop()).toBe(130);
});
