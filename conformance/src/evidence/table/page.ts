import type { ModelGolden } from "../../suite/goldens.ts";
import { stagesOf } from "../../suite/levels/models.ts";
import type { Evidence } from "./records.ts";

const columns: readonly (readonly [column: string, says: string, checked: string])[] = [
  [
    "PyTorch code",
    "Whose code computed the records. Own modules follow the published definition; those of Keras' networks gave " +
      "Keras' logits to 5e-15 of the largest.",
    "the scripts of `golden/make`",
  ],
  [
    "structure",
    "Parameters in order with their shapes, number of parameters, multiply-adds, shapes of stages, and every " +
      "convolution, norm and linear layer. Each is listed, or the digest of the list is recorded.",
    "`evidence/golden/structure.test.ts`",
  ],
  [
    "answers",
    "Input shape, and how many stages and outputs are recorded in float64. Without a mark every test run checks " +
      "them: drawn weights and input by digest, the reference within 1e-10 up to 3e8 multiply-adds, onnx and tfjs' wasm " +
      "within the tolerance up to 1e10. With \\* only `pnpm test:all` does.",
    "`evidence/golden/models.test.ts`, level *models* of the suite",
  ],
  [
    "float32",
    "The largest error of PyTorch's own float32 in any of these stages, relative to the stage's largest value. " +
      "[Ten times the stage's own error](tolerances.md) is the tolerance.",
    "",
  ],
  [
    "gradients",
    "Input shape of three recorded training steps. No backend computes gradients yet, so nothing reads these records.",
    "",
  ],
  [
    "pictures",
    "Trained weights on pictures: PyTorch's logits or features. The pictures lie beside the project; where they are " +
      "missing, the tests say so and are skipped.",
    "`evidence/golden/images.test.ts`",
  ],
  [
    "outside vectors",
    "Ops of the network that [other people's vectors](outside-vectors.md) test, of all its ops, and the ops that " +
      "they do not.",
    "`evidence/outside`",
  ],
];

const intro = `# What proves each model

A test writes this page (\`vitest run evidence/table --update\` in \`conformance/\`) and fails where it is out of date.
The records lie in [conformance/golden](../conformance/golden/README.md), which says how they were made and how to add a
model.

| column | what it says | checked by |
|---|---|---|
${columns.map(([column, says, checked]) => `| ${column} | ${says} | ${checked}${checked && " "}|`).join("\n")}
`;

const head = `| model | PyTorch code | structure | answers | float32 | gradients | pictures | outside vectors |
|---|---|---|---|---|---|---|---|`;

/** The text of docs/evidence.md. `light` has the ids of the records that every test run checks. */
export function page(evidence: readonly Evidence[], light: ReadonlySet<string>): string {
  return [intro, totals(evidence), "", head, ...evidence.map((each) => row(each, light)), ""].join("\n");
}

function totals(evidence: readonly Evidence[]): string {
  const count = (has: (each: Evidence) => boolean) => evidence.filter(has).length;
  const answered = count(({ answers }) => answers.length > 0);
  const structured = count(({ structure }) => structure !== undefined);
  const rest = [
    `training steps of ${count(({ gradients }) => gradients.length > 0)}`,
    `pictures for ${count(({ pictures }) => pictures !== undefined)}`,
  ];
  return `${evidence.length} models: structure of ${structured}, answers of ${answered}, ${rest.join(", ")}.`;
}

function row(evidence: Evidence, light: ReadonlySet<string>): string {
  const { model, madeBy, structure, answers, gradients, pictures, ops, tested } = evidence;
  const missing = ops.filter((op) => !tested.includes(op));
  const vectors = `${tested.length} of ${ops.length}${missing.length > 0 ? `, not ${missing.join(", ")}` : ""}`;
  const shapes = answers.map(
    (each) => `${times(shapeOf(each))}, ${stagesOf(each).length}${light.has(each.id) ? "" : " \\*"}`,
  );
  const cells = [
    model,
    madeBy,
    structure,
    shapes.join("; "),
    errorOf(answers),
    gradients.map(times).join("; "),
    pictures,
  ];
  return `| ${[...cells.map((cell) => cell || "–"), vectors].join(" | ")} |`;
}

function errorOf(answers: readonly ModelGolden[]): string {
  const errors = answers.flatMap(({ fp32 }) => Object.values(fp32).map(({ relToMax }) => relToMax));
  return errors.length === 0 ? "" : Math.max(...errors).toExponential(1);
}

function shapeOf({ input }: ModelGolden): string {
  return input.shape.join("x");
}

const times = (shape: string): string => shape.replaceAll("x", "×");
