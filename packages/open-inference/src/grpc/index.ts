export { addInferenceServices } from "./services.ts";
export type { OnFault } from "./unary.ts";
