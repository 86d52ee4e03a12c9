import { load } from "residual";

const parameters = new URL(location.href).searchParams;
const weights = parameters.get("weights");
const picture = await (await fetch("cat.png")).blob();
const said = [];
for (const backend of parameters.get("backends").split(",")) {
  try {
    const classifier = await load({ backend, ...(weights && { weights: new URL(weights, location.href) }) });
    const [best] = await classifier.classify(picture);
    await classifier.dispose();
    said.push(`${best.label} (${classifier.backend.name})`);
  } catch (error) {
    said.push(String(error));
  }
}
document.title = said.join(", ");
