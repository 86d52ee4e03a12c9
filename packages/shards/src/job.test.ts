import { writeFile } from "node:fs/promises";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { expect, it } from "vitest";
import { openJob } from "./job.ts";

const folder = temporaryFolder();

it.each(["", "{", "null", '{"version":2}', '{"version":1}', '{"version":1,"images":1,"shards":0.5}'])(
  "the damaged manifest %j is a FormatError",
  async (text) => {
    await writeFile(folder.in("manifest.json"), text);
    const message = expect.stringMatching(/manifest\.json: it is damaged, or of another version/) as string;
    await expect(openJob(folder.in(""))).rejects.toMatchObject({ code: "FormatError", message });
  },
);

it("a folder without a manifest is a JobError", async () => {
  await expect(openJob(folder.in("none"))).rejects.toMatchObject({ code: "JobError" });
});
