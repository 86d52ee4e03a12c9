import type { Explanation, Place } from "./explanation.ts";
import { Heat, magnitudeOf } from "./heat.tsx";
import { Products } from "./products-figure.tsx";
import { type ExplainedNumber, facts, selectNumber } from "./state.ts";
import { countWords, numberWords } from "./words.ts";

interface HowProps {
  readonly value: ExplainedNumber;
}

/** The arithmetic of one number, op by op. */
export function How({ value }: HowProps) {
  const { explanation } = value;
  switch (explanation.kind) {
    case "sum":
      return <Products value={value} sum={explanation} />;
    case "norm":
      return <Norm of={explanation} result={value.exact} />;
    case "window":
      return <Pool of={explanation} result={value.exact} />;
    case "join":
      return <Join value={value} of={explanation} />;
    case "function":
      return <Applied of={explanation} result={value.exact} />;
    case "softmax":
      return (
        <Formula>
          {explanation.log ? "" : "e"}
          <sup>{numberWords(explanation.x)}</sup> / {numberWords(explanation.total)} = <b>{numberWords(value.exact)}</b>
          <Note>The exponential of this number over the sum of all classes' exponentials.</Note>
        </Formula>
      );
    case "copy":
      return <p>{explanation.from ? `The same number as ${placeWords(explanation.from)} before.` : ADDED_ZERO}</p>;
  }
}

type Of<Kind extends Explanation["kind"]> = Extract<Explanation, { kind: Kind }>;

function Formula({ children }: { readonly children: preact.ComponentChildren }) {
  return <div class="inside-formula figures">{children}</div>;
}

const Note = ({ children }: { readonly children: preact.ComponentChildren }) => <p class="quiet small">{children}</p>;

const ADDED_ZERO = "A zero that this layer adds.";

const placeWords = ({ row, column, channel }: Place): string => `row ${row}, column ${column} of map ${channel}`;

/** (x − mean) × gain + shift */
function Norm({ of, result }: { readonly of: Of<"norm">; readonly result: number }) {
  const { x, mean, variance, epsilon, scale, shift, gain } = of;
  return (
    <Formula>
      <Named name="x">{numberWords(x)}</Named> minus <Named name="mean">{numberWords(mean)}</Named> times{" "}
      <Named name="gain">{numberWords(gain)}</Named> plus <Named name="shift">{numberWords(shift)}</Named> =
      <b>{numberWords(result)}</b>
      <Note>
        The gain is scale {numberWords(scale)} / √(variance {numberWords(variance)} + ε {epsilon.toExponential()}). Mean
        and variance are those of training; scale and shift were learned.
      </Note>
    </Formula>
  );
}

function Named({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <span class="inside-named">
      <span class="quiet small">{name}</span>
      {children}
    </span>
  );
}

function Pool({ of, result }: { readonly of: Of<"window">; readonly result: number }) {
  const { how, patch, size } = of;
  const seen = patch.filter((each) => each !== null);
  return (
    <Formula>
      <Heat
        numbers={patch}
        columns={size[1]}
        largest={magnitudeOf(patch)}
        label="The patch"
        marked={how === "max" ? patch.indexOf(result) : undefined}
      />
      <span>
        {how === "max" ? "the largest of " : "the mean of "}
        {countWords(seen.length)} numbers = <b>{numberWords(result)}</b>
      </span>
    </Formula>
  );
}

function Join({ value, of }: HowProps & { readonly of: Of<"join"> }) {
  const [a, b] = facts.value.get(value.name)!.reads;
  const { channel, row, column } = value;
  const place = { channel, row, column };
  return (
    <Formula>
      <Operand name={a!} number={of.a} onClick={() => selectNumber(a!, place)} />
      <span class="inside-sign">{of.sign}</span>
      <Operand name={b ?? a!} number={of.b} onClick={() => selectNumber(b ?? a!, place)} />
      <span class="inside-sign">=</span>
      <b>{numberWords(value.exact)}</b>
      <Note>
        {of.sign === "+"
          ? "The block's own answer, plus what came in by the shortcut: this sum gave residual networks their name."
          : "The map, weighed by its gate."}
      </Note>
    </Formula>
  );
}

interface OperandProps {
  readonly name: string;
  readonly number: number;
  readonly onClick: () => void;
}

function Operand({ name, number, onClick }: OperandProps) {
  return (
    <button type="button" class="inside-step" onClick={onClick}>
      <span class="quiet small">{name}</span>
      <b>{numberWords(number)}</b>
    </button>
  );
}

function Applied({ of: { name, x }, result }: { readonly of: Of<"function">; readonly result: number }) {
  if (name === "sigmoid")
    return (
      <Formula>
        1 / (1 + e<sup>{numberWords(-x)}</sup>) = <b>{numberWords(result)}</b>
      </Formula>
    );
  return (
    <Formula>
      max({numberWords(x)}, 0) = <b>{numberWords(result)}</b>
      <Note>{x < 0 ? "Negative numbers become 0." : "Positive numbers pass as they are."}</Note>
    </Formula>
  );
}
