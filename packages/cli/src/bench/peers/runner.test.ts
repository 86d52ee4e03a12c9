import { expect, it } from "vitest";
import { imported } from "./runner.ts";

it("a library that is not installed is named, with the command that installs it", async () => {
  const missing = imported("a-library-that-nobody-has", "a-library-that-nobody-has", "what-it-needs");
  await expect(missing).rejects.toMatchObject({
    code: "BackendUnavailableError",
    message: "a-library-that-nobody-has is not installed; npm install a-library-that-nobody-has what-it-needs",
  });
});
