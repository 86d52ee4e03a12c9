import { abortError, type Signal } from "@residual/core";
import { backendNames } from "@residual/pipeline";
import type { Command } from "commander";
import { type Context, command } from "../command.ts";
import { type BackendHealth, examineAuto, examineBackend, examineBrowser, examinePictures } from "../doctor/examine.ts";
import { type DoctorReport, words } from "../doctor/words.ts";
import { type Output, progressBar, say } from "../terminal.ts";

/** Tries all backends on this machine, and lists them best first. */
export function doctorCommand({ signal }: Context): Command {
  return command("doctor", "see which backends work here, and what to install for the others", [
    "doctor",
    "doctor --json",
  ]).action(async (output: Output) => {
    const bar = progressBar();
    try {
      const report = await unlessAborted(examineAll(signal, bar.onProgress), signal);
      bar.end();
      say(output, report, () => words(report));
      if (!report.backends.some(({ name, verified }) => verified && name !== "reference")) process.exitCode = 1;
    } finally {
      bar.end();
    }
  });
}

async function examineAll(
  signal: Signal,
  onProgress: ReturnType<typeof progressBar>["onProgress"],
): Promise<DoctorReport> {
  const backends: BackendHealth[] = [];
  for (const [done, name] of backendNames.entries()) {
    onProgress({ stage: `try ${name}`, done, total: backendNames.length });
    backends.push(await examineBackend(name, signal));
  }
  return {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    backends,
    pictures: await examinePictures(),
    browser: examineBrowser(),
    auto: await examineAuto(),
  };
}

/** Rejects at once when the signal is aborted, since opening a driver cannot be aborted. */
function unlessAborted<T>(work: Promise<T>, signal: Context["signal"]): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(abortError(signal)), { once: true });
    work.then(resolve, reject);
  });
}
