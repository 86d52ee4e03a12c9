import { useLayoutEffect, useRef } from "preact/hooks";
import { Caption, Card } from "../design/components.tsx";
import { paint } from "./colours.ts";
import { Histogram } from "./histogram.tsx";
import type { Channel, Maps } from "./methods.ts";
import { Outline } from "./outline.tsx";
import { PhotoFigure, Spots } from "./photo-figure.tsx";
import type { ReceptiveField } from "./receptive-field.ts";
import { channel, channelFacts, explained, maps, opened, palette, pinned, place, pointed, type Spot } from "./state.ts";
import { numberWords } from "./words.ts";

/** One map at a size to point into, and what each of its numbers sees of the photo. */
export function Focus() {
  const [of, found, view] = [maps.value!, channelFacts.value, opened.value!];
  if (!found) return null;
  const field = explained.value?.field;
  return (
    <Card title={`Map ${channel.value}`}>
      <div class="inside-focus">
        <figure>
          <MapFigure of={of} found={found} />
          <Caption>Point at a number, or walk with the arrow keys. A click keeps the place.</Caption>
        </figure>
        <figure>
          <PhotoFigure view={view} region={field?.region} />
          <Caption>{field ? fieldWords(field, view.input) : " "}</Caption>
        </figure>
        <div class="inside-beside">
          {found.spots.length > 1 && <Spots view={view} found={found} />}
          <Histogram statistics={found.statistics} label={`The numbers of map ${channel.value}`} />
        </div>
      </div>
    </Card>
  );
}

function fieldWords({ height, width }: ReceptiveField, [rows, columns]: readonly [number, number]): string {
  if (!Number.isFinite(height)) return "This number depends on the whole picture.";
  const [size, of] = [`${height} × ${width}`, `${rows} × ${columns}`];
  if (height > rows || width > columns)
    return `Its receptive field, ${size} pixels, is larger than the picture's ${of}.`;
  return `This number sees ${size} of the network's ${of} pixels.`;
}

function MapFigure({ of, found }: { readonly of: Maps; readonly found: Channel }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [, height, width] = of.shape;
  const theme = palette.value;
  useLayoutEffect(() => {
    const { min, max } = found.statistics;
    const pixels = new Uint8ClampedArray(4 * height * width);
    paint(found.numbers, Math.max(Math.abs(min), Math.abs(max)), theme, pixels);
    canvas.current!.getContext("2d")!.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [found, height, width, theme]);
  const at = place.value;
  const placeOf = (event: MouseEvent): Spot => {
    const box = canvas.current!.getBoundingClientRect();
    const within = (share: number, size: number) => Math.min(Math.max(Math.floor(share * size), 0), size - 1);
    return {
      row: within((event.clientY - box.top) / box.height, height),
      column: within((event.clientX - box.left) / box.width, width),
    };
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const within = (value: number, size: number) => Math.min(Math.max(value, 0), size - 1);
    pointed.value = undefined;
    pinned.value = { row: within(at.row + step[0], height), column: within(at.column + step[1], width) };
  };
  return (
    <div
      class="inside-stage"
      role="slider"
      tabIndex={0}
      aria-label={`A place of map ${channel.value}`}
      aria-valuemin={0}
      aria-valuemax={height * width - 1}
      aria-valuenow={at.row * width + at.column}
      aria-valuetext={`row ${at.row}, column ${at.column}: ${numberWords(found.numbers[at.row * width + at.column]!)}`}
      onKeyDown={onKeyDown}
      onPointerMove={(event) => {
        if (event.pointerType === "mouse") pointed.value = placeOf(event);
      }}
      onPointerLeave={() => {
        pointed.value = undefined;
      }}
      onClick={(event) => {
        pinned.value = placeOf(event);
      }}
    >
      <canvas ref={canvas} class="crisp" width={width} height={height} />
      <Outline
        region={{ rows: { first: at.row, last: at.row }, columns: { first: at.column, last: at.column } }}
        of={[height, width]}
        look="cell"
      />
    </div>
  );
}

const steps: { readonly [key: string]: readonly [down: number, right: number] } = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};
