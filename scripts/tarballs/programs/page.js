import { answers } from "./answers.js";

const parameters = new URL(location.href).searchParams;
const weights = parameters.get("weights");
document.title = await answers(
  parameters.get("backends").split(","),
  weights ? { weights: new URL(weights, location.href) } : {},
);
