// The code for PyTorch files, imported when such a file is read.
export { legacyLayout, zipLayout } from "./layout.ts";
