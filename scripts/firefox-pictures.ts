/**
 * Whether Firefox decodes and preprocesses pictures to Pillow's and torchvision's bits: every golden picture, on the
 * page and in a worker, as Firefox comes and with its protection against fingerprinting, which changes what is read
 * from a canvas.
 *
 *   node --conditions=@residual/source scripts/firefox-pictures.ts [FIREFOX]     firefox-esr where not given
 *
 * Ends with exit code 1 if a picture differs.
 */
import { inFirefox } from "./firefox.ts";

interface Outcome {
  readonly name: string;
  readonly outcome: string;
}

interface Told {
  readonly browser: string;
  readonly page: readonly Outcome[];
  readonly worker: readonly Outcome[];
  /** What reading a canvas gives: `exact`, or the error. */
  readonly canvas: string;
}

const page = `
  import { decodeImage } from "./src/browser.ts";
  import { goldenOutcomes } from "./src/testing/golden-outcomes.ts";
  const golden = new URL("files/packages/vision/golden/", location.href).href;
  const inWorker = () => new Promise((resolve, reject) => {
    const worker = new Worker("worker.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (error) => reject(error.message);
    worker.postMessage(golden);
  });
  const readCanvas = async () => {
    const canvas = new OffscreenCanvas(1, 1);
    canvas.getContext("2d").fillRect(0, 0, 1, 1);
    return decodeImage(canvas).then(({ data }) => data.join() === "0,0,0" ? "exact" : "differs", String);
  };
  try {
    const outcomes = { page: await goldenOutcomes(golden), worker: await inWorker(), canvas: await readCanvas() };
    await tell(JSON.stringify({ browser: navigator.userAgent, ...outcomes }));
  } catch (error) {
    await tell(JSON.stringify({ browser: String(error), page: [], worker: [] }));
  }
`;
const workers = {
  "worker.js": `
    import { goldenOutcomes } from "./src/testing/golden-outcomes.ts";
    addEventListener("message", ({ data }) => goldenOutcomes(data).then(postMessage));
  `,
};

for (const protection of [false, true]) {
  const preferences = { "privacy.resistFingerprinting": protection };
  const firefox = process.argv[2];
  const told = JSON.parse(await inFirefox({ page, folder: "packages/vision", workers, preferences, firefox })) as Told;
  console.log(`${told.browser}; privacy.resistFingerprinting: ${protection}; a canvas: ${told.canvas}`);
  for (const where of ["page", "worker"] as const) report(where, told[where]);
}

function report(where: string, outcomes: readonly Outcome[]): void {
  const same = outcomes.filter(({ outcome }) => outcome === "same").length;
  const refused = outcomes.filter(({ outcome }) => outcome.startsWith("UnsupportedError"));
  const others = outcomes.filter((each) => each.outcome !== "same" && !refused.includes(each));
  console.log(`  ${where}: ${same} of ${outcomes.length} are the same, ${refused.length} are refused by name`);
  for (const { name, outcome } of others) console.log(`    ${name}: ${outcome}`);
  if (same === 0 || others.length > 0) process.exitCode = 1;
}
