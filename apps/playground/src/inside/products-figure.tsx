import { Button } from "../design/components.tsx";
import { barColour } from "./colours.ts";
import type { Explanation, Term, Window } from "./explanation.ts";
import { Heat, magnitudeOf } from "./heat.tsx";
import { Outline } from "./outline.tsx";
import { type ExplainedNumber, facts, limit, palette, selectNumber } from "./state.ts";
import { Strip } from "./strip.tsx";
import { countWords, numberWords } from "./words.ts";

type Sum = Extract<Explanation, { kind: "sum" }>;

interface ProductsProps {
  readonly value: ExplainedNumber;
  readonly sum: Sum;
}

/** A convolution's number: for each input map the patch, times the kernel, makes products; all of them are summed. */
export function Products({ value, sum }: ProductsProps) {
  const [rows, columns] = sum.kernel;
  const patches = magnitudeOf(...sum.terms.map(({ patch }) => patch));
  const kernels = magnitudeOf(...sum.terms.map(({ kernel }) => kernel));
  const products = magnitudeOf(...sum.terms.map(productsOf));
  const source = facts.value.get(value.name)!.reads[0]!;
  const isImage = facts.value.get(source)?.op === "input";
  const isSingle = rows * columns === 1;
  const hasMaps = sum.window.of[0] * sum.window.of[1] > 1;
  const thing = hasMaps ? "map" : "number";
  const nameOf = (index: number) => (isImage ? (colourNames[index] ?? `${index}`) : `${thing} ${index}`);
  return (
    <div class="inside-products">
      <p>
        {countWords(sum.products)} products: {isSingle ? "one number" : `a patch of ${rows} × ${columns}`}{" "}
        {sum.sums.length === 1 ? "" : `${hasMaps ? "from each of" : "for each of the"} `}
        {countWords(sum.sums.length)} {thing}
        {sum.sums.length === 1 ? "" : "s"} of <b>{source}</b>, times {isSingle ? "its weight" : "the kernel"}. The
        strongest first.
      </p>
      <div class={isSingle ? "inside-terms single" : "inside-terms"}>
        <div class="inside-term small quiet" aria-hidden="true">
          <span>{isImage ? "colour" : `${thing} before`}</span>
          <span class="patch">{isSingle ? "number" : "patch"}</span>
          <span class="kernel">{isSingle ? "weight" : "kernel"}</span>
          {!isSingle && <span class="made">products</span>}
          <span class="part">{isSingle ? "product" : "sum"}</span>
        </div>
        {sum.terms.map((term) => (
          <div class="inside-term" key={term.channel}>
            <Source
              layer={value.name}
              channel={term.channel}
              window={sum.window}
              name={nameOf(term.channel)}
              onOpen={isImage ? undefined : () => selectNumber(source, placeIn(sum.window, term.channel))}
            />
            <Heat numbers={term.patch} columns={columns} largest={patches} label="Patch" />
            <span class="inside-sign">×</span>
            <Heat numbers={term.kernel} columns={columns} largest={kernels} label="Kernel" />
            <span class="inside-sign">=</span>
            {!isSingle && (
              <>
                <Heat numbers={productsOf(term)} columns={columns} largest={products} label="Products" />
                <span class="inside-sign inside-sigma">Σ</span>
              </>
            )}
            <b class="figures inside-part part">{numberWords(term.sum)}</b>
          </div>
        ))}
      </div>
      {sum.rest.count > 0 && (
        <div class="inside-rest">
          <span>
            {sum.rest.count === 1 ? `The other ${thing}` : `The other ${countWords(sum.rest.count)} ${thing}s together`}
            : <b class="figures">{numberWords(sum.rest.sum)}</b>
          </span>
          <Button
            size="compact"
            onClick={() => {
              limit.value += 9;
            }}
          >
            Show more
          </Button>
        </div>
      )}
      {sum.sums.length > 3 && <Parts sum={sum} thing={thing} />}
      <Total sum={sum} result={value.exact} />
    </div>
  );
}

const colourNames = ["red", "green", "blue"];

const productsOf = ({ patch, kernel }: Term): readonly (number | null)[] =>
  patch.map((each, i) => (each === null ? null : each * kernel[i]!));

/** The middle of the window, cut to the map. */
function placeIn({ top, left, height, width, of }: Window, channel: number) {
  const within = (at: number, size: number) => Math.min(Math.max(at, 0), size - 1);
  return {
    channel,
    row: within(top + Math.floor(height / 2), of[0]),
    column: within(left + Math.floor(width / 2), of[1]),
  };
}

/** Most bars of a figure: beyond, none could be told from its neighbour. */
const MOST_BARS = 256;

/** The parts of the sum as bars, from the strongest. */
function Parts({ sum: { sums, channels }, thing }: { readonly sum: Sum; readonly thing: string }) {
  const shown = sums.slice(0, MOST_BARS);
  const largest = Math.abs(sums[0]!);
  const [top, bottom] = [Math.max(...shown, 0), Math.min(...shown, 0)];
  const scale = 100 / (top - bottom || 1);
  const step = 100 / shown.length;
  return (
    <figure>
      <svg
        class="inside-parts-plot"
        viewBox="0 0 100 100"
        preserveAspectRatio="none"
        role="img"
        aria-label="The parts of the sum"
      >
        {shown.map((part, at) => (
          <rect
            key={channels[at]}
            x={at * step}
            width={step * 0.82}
            y={scale * (top - Math.max(part, 0))}
            height={scale * Math.abs(part)}
            fill={barColour(part, largest, palette.value)}
          >
            <title>{`${thing} ${channels[at]}: ${numberWords(part)}`}</title>
          </rect>
        ))}
        <path d={`M0 ${scale * top}H100`} stroke="var(--edge)" vector-effect="non-scaling-stroke" />
      </svg>
      <figcaption class="caption">
        What each {thing} adds (up) or takes away (down), from the strongest
        {sums.length > shown.length ? `: ${shown.length} of ${countWords(sums.length)}` : ""}.
      </figcaption>
    </figure>
  );
}

/** Products + bias = the number. */
function Total({ sum: { sums, bias, residual, relu }, result }: { readonly sum: Sum; readonly result: number }) {
  const total = sums.reduceRight((all, each) => all + each, 0);
  if (bias === undefined && residual === undefined && !relu)
    return (
      <p class="inside-formula figures">
        All of them sum to <b>{numberWords(result, 6)}</b>
      </p>
    );
  return (
    <p class="inside-formula figures">
      {numberWords(total)}
      {bias !== undefined && ` + bias ${numberWords(bias)}`}
      {residual !== undefined && ` + shortcut ${numberWords(residual)}`}
      {relu && ", at least 0"} = <b>{numberWords(result, 6)}</b>
    </p>
  );
}

interface SourceProps {
  readonly layer: string;
  readonly channel: number;
  readonly window: Window;
  readonly name: string;
  readonly onOpen: (() => void) | undefined;
}

/** The input map that a term comes from, with the window on it. */
function Source({ layer, channel, window, name, onOpen }: SourceProps) {
  const [height, width] = window.of;
  const rows = { first: Math.max(window.top, 0), last: Math.min(window.top + window.height, height) - 1 };
  const columns = { first: Math.max(window.left, 0), last: Math.min(window.left + window.width, width) - 1 };
  const content = (
    <>
      {height * width > 1 && (
        <span class="inside-stage thumb">
          <Strip name={layer} of="input" channels={[channel]} scale="map" side={64} />
          <Outline region={{ rows, columns }} of={window.of} look="cell" />
        </span>
      )}
      <span class="small quiet">{name}</span>
    </>
  );
  if (!onOpen) return <span class="inside-source">{content}</span>;
  return (
    <button type="button" class="inside-source" aria-label={`Open ${name} of the layer before`} onClick={onOpen}>
      {content}
    </button>
  );
}
