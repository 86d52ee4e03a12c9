// Runs the job in a folder, to be killed.
import { openJob, runJob } from "../index.ts";

await runJob(await openJob(process.argv[2]!), { workers: 2 });
