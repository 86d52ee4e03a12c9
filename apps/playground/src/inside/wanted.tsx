import { useLayoutEffect, useRef } from "preact/hooks";
import { Button, Caption, Card } from "../design/components.tsx";
import { STEPS } from "./ascent.ts";
import { Fact } from "./connection.tsx";
import { nameOf } from "./map-grid.tsx";
import { channel, channelFacts, maps } from "./state.ts";
import { drawn, drawWanted, keyOf, type Wanted, wanted } from "./wanted-state.ts";
import { numberWords } from "./words.ts";

/** The picture that a channel answers to most: no photo, but what gradient ascent makes of noise. */
export function WantedCard() {
  const of = maps.value!;
  const [layer, at] = [of.name, channel.value];
  const [, height, width] = of.shape;
  const isMaps = height * width > 1;
  const name = nameOf(of, at);
  const title = isMaps ? `map ${name}` : Number.isNaN(Number(name)) ? name : `number ${name}`;
  const found = wanted.value.get(keyOf(layer, at));
  const isDrawing = drawn.value === keyOf(layer, at);
  const explanation =
    `Not a part of the photo: a picture that begins as grey noise, and is changed ${STEPS} times toward what makes ` +
    `${isMaps ? "the numbers of this map" : "this number"} larger. The gradient by each pixel says which way.`;
  return (
    <Card title={`What ${title} wants to see`}>
      <div class={found ? "inside-wanted" : undefined}>
        {found && (
          <figure>
            <Picture found={found} title={title} />
            <Caption>{captionOf(found, isDrawing)}</Caption>
          </figure>
        )}
        <div class="inside-beside">
          <p>{explanation}</p>
          {found && (
            <>
              <dl class="inside-facts figures">
                <Fact name="On the photo">{largest(channelFacts.value?.statistics.max)}</Fact>
                <Fact name="On the noise">{largest(found.peaks[0])}</Fact>
                <Fact name="On this picture">{largest(found.peaks.at(-1))}</Fact>
              </dl>
              <Rise peaks={found.peaks} isMaps={isMaps} />
            </>
          )}
          <div class="actions">
            <Button
              look={found ? undefined : "primary"}
              disabled={isDrawing}
              onClick={() => void drawWanted(layer, at, title)}
            >
              {isDrawing ? "Drawing" : found ? "Draw another" : "Draw it"}
            </Button>
          </div>
        </div>
      </div>
    </Card>
  );
}

const largest = (number: number | undefined): string => (number === undefined ? "" : numberWords(number));

function captionOf({ done, side }: Wanted, isDrawing: boolean): string {
  if (isDrawing) return `Step ${done} of ${STEPS}`;
  const size = `${side} × ${side} pixels, as the network reads them`;
  return done < STEPS ? `Stopped after ${done} of ${STEPS} steps. ${size}.` : `${size}.`;
}

function Picture({ found, title }: { readonly found: Wanted; readonly title: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { rgba, shown } = found;
  useLayoutEffect(() => {
    canvas.current!.getContext("2d")!.putImageData(new ImageData(rgba, shown), 0, 0);
  }, [rgba, shown]);
  return (
    <div class="inside-stage">
      <canvas
        ref={canvas}
        width={shown}
        height={shown}
        role="img"
        aria-label={`What ${title} wants to see`}
        data-steps={found.done}
      />
    </div>
  );
}

/** The largest number, picture by picture. */
function Rise({ peaks, isMaps }: { readonly peaks: readonly number[]; readonly isMaps: boolean }) {
  const [low, high] = [Math.min(...peaks), Math.max(...peaks)];
  const points = peaks.map((peak, i) => {
    const [x, y] = [(100 * i) / Math.max(peaks.length - 1, 1), 39 - (38 * (peak - low)) / (high - low || 1)];
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const what = isMaps ? "The map's largest number" : "The number";
  return (
    <figure class="inside-rise">
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={`${what}, step by step`}>
        <polyline points={points.join(" ")} />
      </svg>
      <Caption>{what}, step by step</Caption>
    </figure>
  );
}
