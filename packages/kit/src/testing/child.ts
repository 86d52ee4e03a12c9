import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Runs TypeScript in a new Node process, in the folder of the module at `url`. Once the process writes to stdout, kills
 * it if `kill` is true, else waits for its end. Returns the first text written.
 */
export async function runUntilItSpeaks(
  url: string,
  code: string,
  { env = {}, kill = false }: { env?: { readonly [name: string]: string }; kill?: boolean } = {},
): Promise<string> {
  const flags = ["--conditions=@residual/source", "--input-type=module-typescript", "--eval", code];
  const child = spawn(process.execPath, flags, {
    cwd: new URL(".", url),
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  if (kill) child.kill("SIGKILL");
  await ended;
  return text.toString().trim();
}
