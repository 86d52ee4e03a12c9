import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { engine, fail } from "../app/state.ts";
import { Card, Segmented } from "../design/components.tsx";
import { cssColour, inkOn } from "./colours.ts";
import { Histogram } from "./histogram.tsx";
import { Legend } from "./legend.tsx";
import type { Maps } from "./methods.ts";
import { channel, maps, opened, order, palette, scale, selectChannel } from "./state.ts";
import { countWords, numberWords } from "./words.ts";

const orders = [
  { value: "strongest", label: "Strongest first" },
  { value: "number", label: "By number" },
] as const;
const scales = [
  { value: "map", label: "Each map" },
  { value: "layer", label: "Whole layer" },
] as const;

/** All maps of a layer, with what their numbers are like. */
export function FeatureMaps() {
  const of = maps.value!;
  const [count, height, width] = of.shape;
  const isMaps = height * width > 1;
  const title = !isMaps ? `${countWords(count)} numbers` : `${countWords(count)} maps of ${height} × ${width} numbers`;
  return (
    <Card title={title}>
      <div class="inside-tools">
        <Segmented
          label="Order of the maps"
          choices={orders}
          value={order.value}
          onChange={(value) => {
            order.value = value;
          }}
        />
        {isMaps && (
          <Segmented
            label="Strongest colour for the largest of"
            choices={scales}
            value={scale.value}
            onChange={(value) => {
              scale.value = value;
            }}
          />
        )}
        <Legend isSigned={of.statistics.min < 0} />
      </div>
      <MapGrid of={of} />
      <Histogram statistics={of.statistics} label="All numbers of the layer" />
    </Card>
  );
}

const GAP = 8;
const LABEL = 18;
/** Rows that are painted above and below those in view. */
const AHEAD = 2;

/** Pixels of a map's side: few maps are shown larger. */
function sideFor([count, height, width]: Maps["shape"]): number {
  if (height * width === 1) return 56;
  return count <= 16 ? 84 : count <= 64 ? 68 : 52;
}

/** The maps in view: of 2,048 only those are in the document, and painted, by the worker. */
function MapGrid({ of }: { readonly of: Maps }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 400, width: 600 });
  const id = useId();
  const [count, height, width] = of.shape;
  const isMaps = height * width > 1;
  const side = sideFor(of.shape);
  const columns = Math.max(1, Math.floor((view.width + GAP) / (side + GAP)));
  const rowHeight = side + LABEL + GAP;
  const rows = Math.ceil(count / columns);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - AHEAD) * columns;
  const end = Math.min(count, Math.ceil((view.top + view.height) / rowHeight + AHEAD) * columns);
  const indexAt = (at: number) => (order.value === "strongest" ? of.strongest[at]! : at);
  const shown = Array.from({ length: Math.max(end - first, 0) }, (_, i) => indexAt(first + i));
  const painted = usePainted(of, isMaps ? shown : []);
  const chosen = channel.value;
  const placeOf = (index: number) => (order.value === "strongest" ? of.strongest.indexOf(index) : index);

  const measure = () => {
    const { scrollTop, clientHeight, clientWidth } = scroller.current!;
    setView({ top: scrollTop, height: clientHeight, width: clientWidth });
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    scroller.current!.scrollTop = 0;
  }, [of, order.value]);

  const choose = (place: number) => {
    const at = Math.min(Math.max(place, 0), count - 1);
    selectChannel(indexAt(at));
    const top = Math.floor(at / columns) * rowHeight;
    const { scrollTop, clientHeight } = scroller.current!;
    if (top < scrollTop) scroller.current!.scrollTop = top;
    if (top + rowHeight > scrollTop + clientHeight) scroller.current!.scrollTop = top + rowHeight - clientHeight;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = columns * Math.max(1, Math.floor(view.height / rowHeight));
    const steps: { readonly [key: string]: number } = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: page,
      PageUp: -page,
      Home: -count,
      End: count,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    choose(placeOf(chosen) + step);
  };
  const onClick = ({ target }: Event) => {
    const map = target instanceof Element ? target.closest<HTMLElement>("[data-channel]") : null;
    if (map) selectChannel(Number(map.dataset.channel));
  };
  const isShown = shown.includes(chosen);
  return (
    <div
      ref={scroller}
      class="inside-maps"
      role="listbox"
      tabIndex={0}
      aria-label="Feature maps"
      aria-activedescendant={isShown ? `${id}-${chosen}` : undefined}
      onScroll={measure}
      onClick={onClick}
      onKeyDown={onKeyDown}
      data-painted={painted.isWhole ? of.name : undefined}
    >
      <div role="presentation" style={{ height: `${rows * rowHeight - GAP}px` }}>
        {shown.map((index, i) => {
          const at = first + i;
          const left = (at % columns) * (side + GAP);
          const top = Math.floor(at / columns) * rowHeight;
          return (
            <div
              key={index}
              data-channel={index}
              id={`${id}-${index}`}
              class="inside-map"
              role="option"
              tabIndex={-1}
              aria-selected={index === chosen}
              aria-setsize={count}
              aria-posinset={at + 1}
              aria-label={`${nameOf(of, index)}, largest number ${numberWords(of.peaks[index]!)}`}
              style={{ width: `${side}px`, transform: `translate(${left}px, ${top}px)` }}
            >
              {isMaps ? (
                <MapImage pixels={painted.of(index)} of={of} side={side} />
              ) : (
                <NumberTile of={of} index={index} side={side} />
              )}
              <span class="figures">{nameOf(of, index)}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** A class has a name; other channels have a number. */
export function nameOf({ shape: [count, height, width] }: Maps, index: number): string {
  const labels = opened.value?.labels;
  return labels && labels.length === count && height * width === 1 ? labels[index]! : `${index}`;
}

interface NumberTileProps {
  readonly of: Maps;
  readonly index: number;
  readonly side: number;
}

/** The one number of a channel. Its colour is of the layer's scale: alone it would have the strongest. */
function NumberTile({ of: { peaks, statistics }, index, side }: NumberTileProps) {
  const [number, largest] = [peaks[index]!, Math.max(Math.abs(statistics.min), Math.abs(statistics.max))];
  const [background, color] = [cssColour(number, largest, palette.value), inkOn(number, largest, palette.value)];
  return (
    <b class="inside-tile figures" style={{ width: `${side}px`, height: `${side}px`, background, color }}>
      {numberWords(number, 2)}
    </b>
  );
}

interface Painted {
  readonly of: (index: number) => Uint8ClampedArray<ArrayBuffer> | undefined;
  readonly isWhole: boolean;
}

/** Pixels of the maps that are shown. Those that are known, or asked for, are not painted again. */
function usePainted(of: Maps, shown: readonly number[]): Painted {
  const key = `${of.name} ${scale.value} ${palette.value}`;
  const [store, setStore] = useState(() => emptyStore(key, of));
  const [, paintAgain] = useState(0);
  const current = store.key === key && store.of === of ? store : emptyStore(key, of);
  const missing = shown.filter((index) => !current.asked.has(index));
  useEffect(() => {
    if (current !== store) setStore(current);
    if (missing.length === 0) return;
    const { pixels, asked } = current;
    for (const index of missing) asked.add(index);
    const request = {
      ...opened.peek()!.look,
      name: of.name,
      of: "output",
      channels: missing,
      scale: scale.value,
      palette: palette.value,
    } as const;
    engine.call("paintMaps", request).then((buffer) => {
      const size = buffer.byteLength / missing.length;
      for (const [at, index] of missing.entries()) pixels.set(index, new Uint8ClampedArray(buffer, at * size, size));
      paintAgain((turn) => turn + 1);
    }, fail);
  });
  return {
    of: (index) => current.pixels.get(index),
    isWhole: shown.every((index) => current.pixels.has(index)),
  };
}

const emptyStore = (key: string, of: Maps) => ({
  key,
  of,
  pixels: new Map<number, Uint8ClampedArray<ArrayBuffer>>(),
  asked: new Set<number>(),
});

interface MapImageProps {
  readonly pixels: Uint8ClampedArray<ArrayBuffer> | undefined;
  readonly of: Maps;
  readonly side: number;
}

function MapImage({ pixels, of, side }: MapImageProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [, height, width] = of.shape;
  useLayoutEffect(() => {
    if (pixels) canvas.current!.getContext("2d")!.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [pixels, width, height]);
  return (
    <canvas
      ref={canvas}
      width={width}
      height={height}
      style={{ width: `${side}px`, height: `${side}px` }}
      class={width > side ? "" : "crisp"}
    />
  );
}
