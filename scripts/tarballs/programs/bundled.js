import { load } from "residual";

const [weights, backend] = process.argv.slice(2);

load({ weights, backend }).then(async (classifier) => {
  const [best] = await classifier.classify("cat.png");
  await classifier.dispose();
  console.log(best.label);
  process.exit(); // Dawn keeps the process as long as its GPU is held
});
