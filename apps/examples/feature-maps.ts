/** What each stage sees: the channel that answers most, as a picture of text. node feature-maps.ts PICTURE */
import { load } from "residual";

const photo = `${import.meta.dirname}/../../photos/chelsea.png`;
await using classifier = await load();
const maps = await classifier.features(["layer1", "layer2", "layer3"], process.argv[2] ?? photo);

for (const [name, { shape, data }] of Object.entries(maps)) {
  const [, channels = 0, height = 0, width = 0] = shape;
  const map = (channel: number) => data.subarray(channel * height * width, (channel + 1) * height * width);
  const sums = Array.from({ length: channels }, (_, channel) => map(channel).reduce((sum, x) => sum + x, 0));
  const strongest = map(sums.indexOf(Math.max(...sums)));
  console.log(name, shape.join("×"));
  for (let i = 0; i < height; i++)
    console.log(
      Array.from(strongest.subarray(i * width, (i + 1) * width), (x) => " ░▒▓█"[Math.min(4, x | 0)]).join(""),
    );
}
