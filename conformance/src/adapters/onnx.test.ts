import { onnx } from "@residual/onnx";
import { heldModels } from "../testing/held-goldens.ts";
import { later } from "../testing/later.ts";
import { conforms } from "../vitest.ts";

/** The tests of @residual/onnx hold the recorded steps, too. */
const slow = later("train/ops on random shapes", "train/finite differences", "train/three steps");

await conforms(onnx(), { only: ["ops", "nodes", "images", "behaviour", "train"], without: slow });
await conforms(onnx(), { level: "full", only: ["models"], ...(await heldModels()) });
