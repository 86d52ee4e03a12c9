// Runs the job in a folder, to be killed.
import { openJob, runJob } from "../index.ts";

try {
  await runJob(await openJob(process.argv[2]!), { workers: 2 });
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
}
