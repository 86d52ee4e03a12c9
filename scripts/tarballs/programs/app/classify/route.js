import { readFile } from "node:fs/promises";
import { load } from "residual";

export const dynamic = "force-dynamic";

export async function GET() {
  const classifier = await load();
  const [best] = await classifier.classify(await readFile("cat.png"));
  await classifier.dispose();
  return new Response(best.label);
}
