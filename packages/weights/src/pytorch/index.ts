// What reading weights needs for a PyTorch file, and imports when there is one.
export { torchLayout } from "./layout.ts";
export { inMemory } from "./random-access.ts";
export { gatherViews } from "./view.ts";
