export { readModels } from "./models-file.ts";
export type { ModelEntry, RunningServer, ServeOptions } from "./options.ts";
export { serve } from "./serve.ts";
