import { describePictures } from "@residual/vision";
import { load } from "residual";

const classifier = await load({ backend: "reference" });
const labels = [];
for (const picture of ["cat.png", "ship.jpg"]) labels.push((await classifier.classify(picture))[0].label);
await classifier.dispose();
console.log(`${(await describePictures()).library}: ${labels.join(", ")}`);
