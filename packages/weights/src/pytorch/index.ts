// What reading weights needs for a PyTorch file, and imports when there is one.
export { legacyLayout, zipLayout } from "./layout.ts";
