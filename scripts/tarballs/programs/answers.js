import { load } from "residual";

/** What each backend says of the photo. */
export async function answers(backends, options = {}) {
  const picture = await (await fetch(new URL("/cat.png", location.href))).blob();
  const said = [];
  for (const backend of backends) {
    try {
      const classifier = await load({ backend, ...options });
      const [best] = await classifier.classify(picture);
      await classifier.dispose();
      said.push(`${best.label} (${classifier.backend.name})`);
    } catch (error) {
      said.push(String(error));
    }
  }
  return said.join(", ");
}
