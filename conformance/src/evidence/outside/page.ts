import { type ExpressedVector, isListed, type ListedVector, opsOf } from "./vectors.ts";

type Sorted = ExpressedVector | ListedVector;

const intro = `# Other people's test vectors

Our goldens come from PyTorch, by scripts of our own. As a check from outside, the reference and the backend onnx are held
against the single-operator tests of others: ONNX's backend tests, webnn-baseline's and those of web-platform-tests. Each
vector is either held, as a graph of our ops, or listed below with the reason why no graph of ours says the same. Tests see
to it that there is no third kind, that every reason still holds, and that this page is current.

This page is written by the tests. The vectors are other people's and not part of the project; they lie beside it, in
\`shared/data/onnx\` and \`shared/data/webnn\`, and where they are missing the tests say so and are skipped. To repeat:

    cd conformance
    vitest run outside            # all but two vectors of 36 million numbers each
    RESIDUAL_TESTS=all vitest run outside
    vitest run outside --update   # writes this page anew

**In our ops.** \`conformance/src/evidence/outside/translate\` has one function for each kind of operator, which gives a
graph or a reason. Several ops may stand for one operator where that is an identity for all real numbers: a − b is a + (−1)·b, and
min(x, c) is −max(−x, −c). Data may be permuted, seen under another shape, or repeated before it goes in, so that layouts and
broadcasting are ours and not tested. Nothing is selected by products with ones and zeros: slice and transpose could be
said so, and a matrix product would be tested in their place. A vector that applies its operator several times counts once.

**How far off.** No tolerance of the vectors' own is used. Allowed is the bound of [tolerances.md](tolerances.md), for
several ops carried from one to the next, and beside it what the recorded answer may be off by:

| collection | its answers | the reference (float64) | onnx (float32) |
|---|---|---|---|
| ONNX, of PyTorch too | float32 throughout | its bound, and float32's for the recorded answer | float32's bound twice: either side errs by that at most |
| web-platform-tests, batch norm in float32 | float32 throughout | the same | the same |
| web-platform-tests, all others | the true result, rounded once to float32 or float16 | its bound, and that rounding | its bound, and that rounding |
| webnn-baseline | float64, of decimal inputs | its bound twice | its bound, and how far rounding the inputs moves the answer |

What only moves or chooses numbers has to give the very number. Numbers of float16 are numbers of float32, so that its vectors
can be held; only their answers are recorded more coarsely.

## Found

No answer of the reference's or of onnx's is wrong. Of the vectors:

- webnn-baseline's two of sigmoid hold float32 numbers written in eight digits, up to 1.2 ulp of float32 from the true value, and
  not what its own code gives. They are held as answers of float32; all others there are float64 to the last few bits.
- web-platform-tests round \`alpha\` of leakyRelu to float32 before it is used: with the numbers as written, five answers of 32 are
  not the product rounded once, with those rounded all are. Their float16 vectors do not round it to float16, as a cast to the
  input's format would: twelve answers of 32 would be others then.
- All else of web-platform-tests but batch norm, sums, sigmoid and softmax among it, is within one rounding of the true result.
- Seven clamps of web-platform-tests lost their infinities and NaN in the conversion to JSON, and cannot be held.
- ONNX's \`test_operator_add_broadcast\` adds float64 numbers from 10⁻³²² to 6·10¹⁹⁹, memory that was never set by the look of it: float32
  has no such numbers.
`;

/** The text of docs/outside-vectors.md. */
export function page(vectors: readonly Sorted[]): string {
  const suites = [...Map.groupBy(vectors, ({ suite }) => suite)];
  return [intro, ...suites.map(([suite, members]) => section(suite, members))].join("\n");
}

function section(suite: string, vectors: readonly Sorted[]): string {
  const listed = vectors.filter(isListed).length;
  const operators = [...Map.groupBy(vectors, ({ operator }) => operator)];
  const head = "| operator | vectors | held | as | not held, and why |\n|---|---:|---:|---|---|";
  const title = `## ${suite}: ${vectors.length} vectors, ${vectors.length - listed} held, ${listed} not`;
  return [title, "", head, ...operators.map(([operator, members]) => row(operator, members)), ""].join("\n");
}

function row(operator: string, vectors: readonly Sorted[]): string {
  const held = vectors.flatMap((vector) => (isListed(vector) ? [] : [vector]));
  const graphs = new Set(held.map((vector) => opsOf(vector).join(", ")));
  const reasons = Map.groupBy(vectors.filter(isListed), ({ refusal }) => refusal.because);
  const why = [...reasons].map(([because, members]) => `${members.length} × ${because}`);
  return `| ${operator} | ${vectors.length} | ${held.length} | ${[...graphs].join("; ")} | ${why.join("; ")} |`;
}
