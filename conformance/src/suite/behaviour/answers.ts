import { type Answer, constant, graph, input, named, ops, tensor } from "@residual/core";
import { type Behaviour, expectThat, type Subject, sameBits } from "./subject.ts";

async function logitsOf(
  { image }: Subject,
  executable: Awaited<ReturnType<Subject["compile"]>>,
  salt: string,
): Promise<Answer> {
  return (await executable.run({ image: image(salt) })).logits;
}

const deterministic: Behaviour = async (subject) => {
  await using first = await subject.compile();
  await using second = await subject.compile();
  const expected = await logitsOf(subject, first, "a");
  await logitsOf(subject, first, "b");
  expectThat(sameBits(expected, await logitsOf(subject, first, "a")), "a second run of the same image has other bits");
  expectThat(sameBits(expected, await logitsOf(subject, second, "a")), "a second executable gives other bits");
};

/**
 * The allowed difference between two runs, as a share of the largest logit: twice ten times the error of PyTorch's
 * float32 run of this network.
 */
const OF_LARGEST = 2 * 10 * 1.3e-7;

const batchIsItsParts: Behaviour = async (subject) => {
  await using executable = await subject.compile();
  for (const batch of [3, 2, 8, 1]) {
    const image = subject.image("batch", batch);
    const { logits } = await executable.run({ image });
    expectThat(
      logits.shape.join() === [batch, 10].join(),
      `batch ${batch}: the answer is [${logits.shape.join(", ")}]`,
    );
    for (let n = 0; n < batch; n++) {
      const part = tensor([1, 3, 32, 32], image.data.subarray(n * 3072, (n + 1) * 3072));
      const alone = (await executable.run({ image: part })).logits;
      checkRow(logits, alone, n, batch);
    }
  }
};

function checkRow(whole: Answer, alone: Answer, n: number, batch: number): void {
  const largest = Math.max(...Array.from(alone.data, Math.abs));
  for (let c = 0; c < 10; c++) {
    const [found, expected] = [whole.data[n * 10 + c]!, alone.data[c]!];
    const near = Math.abs(found - expected) <= OF_LARGEST * largest;
    expectThat(near, `image ${n} of ${batch}, class ${c}: ${found} in the batch, ${expected} alone`);
  }
}

const overlapping: Behaviour = async (subject) => {
  await using executable = await subject.compile();
  const salts = Array.from({ length: 8 }, (_, i) => `overlap${i}`);
  const alone: Answer[] = [];
  for (const salt of salts) alone.push(await logitsOf(subject, executable, salt));
  const together = await Promise.all(salts.map((salt) => logitsOf(subject, executable, salt)));
  for (const [i, answer] of together.entries()) {
    const other = alone.findIndex((each) => sameBits(each, answer));
    expectThat(
      other === i,
      `run ${i} of 8 got ${other < 0 ? "an answer that is nobody's" : `the answer of run ${other}`}`,
    );
  }
};

const apart: Behaviour = async (subject) => {
  const image = input("image", [1, 4]);
  const other = graph({
    name: "other",
    inputs: { image },
    outputs: { logits: named("logits", ops.relu({ x: image })) },
  });
  await using network = await subject.compile();
  const expected = await logitsOf(subject, network, "a");
  {
    await using small = await subject.backend.compile(other);
    const { logits } = await small.run({ image: tensor([1, 4], [-1, 2, -3, 4]) });
    expectThat([...logits.data].join() === "0,2,0,4", `relu of [-1, 2, -3, 4] is [${[...logits.data].join(", ")}]`);
    expectThat(
      sameBits(expected, await logitsOf(subject, network, "a")),
      "another executable changed this one's answer",
    );
  }
  expectThat(
    sameBits(expected, await logitsOf(subject, network, "a")),
    "disposing another executable changed this one's answer",
  );
};

const inputsStay: Behaviour = async (subject) => {
  await using executable = await subject.compile();
  const image = subject.image("a");
  const before = image.data.slice();
  const running = executable.run({ image });
  await running;
  expectThat(image.data.length === before.length, "the input's buffer was taken away");
  expectThat(
    image.data.every((value, i) => Object.is(value, before[i])),
    "a run changed its input",
  );
};

/** After a run has settled, a caller may reuse its buffers and may write into the answers. */
const answersStay: Behaviour = async (subject) => {
  await using executable = await subject.compile();
  const first = await logitsOf(subject, executable, "a");
  const kept = { ...first, data: first.data.slice() } as Answer;
  const second = await logitsOf(subject, executable, "b");
  expectThat(!sameBits(first, second), "two images have the same answer");
  expectThat(sameBits(first, kept), "a later run overwrote an earlier answer");
  first.data.fill(7);
  expectThat(sameBits(kept, await logitsOf(subject, executable, "a")), "writing into an answer changed the next");
  await executable.dispose();
  expectThat(second.data.every(Number.isFinite), "dispose took an answer away");
};

/** An output may be an input or a constant. Two outputs may be the same value. */
const outputsOfAnyKind: Behaviour = async ({ backend }) => {
  const x = input("x", [1, 2]);
  const shift = constant("shift", tensor([1, 2], [10, 20]));
  const sum = ops.add({ a: x, b: shift });
  const outputs = { sum, again: sum, x, shift };
  await using executable = await backend.compile(graph({ name: "outputs", inputs: { x }, outputs }));
  const found = await executable.run({ x: tensor([1, 2], [1, 2]) });
  const expected = { sum: "11,22", again: "11,22", x: "1,2", shift: "10,20" };
  for (const [name, numbers] of Object.entries(expected)) {
    const answer = found[name as keyof typeof found];
    expectThat(
      [...answer.data].join() === numbers,
      `output ${name} is [${[...answer.data].join(", ")}], expected [${numbers}]`,
    );
  }
};

export const answers: { readonly [name: string]: Behaviour } = {
  "same input, same bits": deterministic,
  "a batch equals its parts": batchIsItsParts,
  "eight overlapping runs": overlapping,
  "executables do not disturb one another": apart,
  "inputs are not changed": inputsStay,
  "answers stay as they are": answersStay,
  "outputs of any kind": outputsOfAnyKind,
};
