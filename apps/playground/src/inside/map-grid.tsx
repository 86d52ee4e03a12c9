import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { cssColour, inkOn } from "./colours.ts";
import type { Maps } from "./methods.ts";
import { channel, opened, order, palette, scale, selectChannel } from "./state.ts";
import { Strip } from "./strip.tsx";
import { numberWords } from "./words.ts";

const GAP = 8;
const LABEL = 18;
/** Rows that are in the document above and below those in view. */
const AHEAD = 2;

/** Pixels of a map's side: few maps are shown larger. */
function sideFor([count, height, width]: Maps["shape"]): number {
  if (height * width === 1) return 56;
  return count <= 16 ? 84 : count <= 64 ? 68 : 52;
}

/** The maps in view: of 2,048 only those are in the document. */
export function MapGrid({ of }: { readonly of: Maps }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 340, width: 600 });
  const id = useId();
  const [count] = of.shape;
  const side = sideFor(of.shape);
  const columns = Math.max(1, Math.floor((view.width + GAP) / (side + GAP)));
  const rowHeight = side + LABEL + GAP;
  const rows = Math.ceil(count / columns);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - AHEAD);
  const end = Math.min(rows, Math.ceil((view.top + view.height) / rowHeight) + AHEAD);
  const isStrongestFirst = order.value === "strongest";
  const indexAt = (at: number) => (isStrongestFirst ? of.strongest[at]! : at);
  const placeOf = (index: number) => (isStrongestFirst ? of.strongest.indexOf(index) : index);
  const chosen = channel.value;

  const measure = () => {
    const { scrollTop, clientHeight, clientWidth } = scroller.current!;
    setView({ top: scrollTop, height: clientHeight, width: clientWidth - 2 * PADDING });
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    scroller.current!.scrollTop = 0;
  }, [of.name, isStrongestFirst]);

  const choose = (place: number) => {
    const at = Math.min(Math.max(place, 0), count - 1);
    selectChannel(indexAt(at));
    const top = Math.floor(at / columns) * rowHeight;
    const { scrollTop, clientHeight } = scroller.current!;
    if (top < scrollTop) scroller.current!.scrollTop = top;
    if (top + rowHeight > scrollTop + clientHeight) scroller.current!.scrollTop = top + rowHeight - clientHeight;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = stepOf(event.key, columns, columns * Math.max(1, Math.floor(view.height / rowHeight)), count);
    if (step === undefined) return;
    event.preventDefault();
    choose(placeOf(chosen) + step);
  };
  const onClick = ({ target }: Event) => {
    const map = target instanceof Element ? target.closest<HTMLElement>("[data-channel]") : null;
    if (map) selectChannel(Number(map.dataset.channel));
  };
  const row = Math.floor(placeOf(chosen) / columns);
  return (
    <div
      ref={scroller}
      class="inside-maps"
      role="listbox"
      tabIndex={0}
      aria-label="Feature maps"
      aria-activedescendant={first <= row && row < end ? `${id}-${chosen}` : undefined}
      onScroll={measure}
      onClick={onClick}
      onKeyDown={onKeyDown}
    >
      <div role="presentation" style={{ height: `${rows * rowHeight - GAP}px` }}>
        {Array.from({ length: Math.max(end - first, 0) }, (_, i) => first + i).map((row) => (
          <div class="inside-row" role="presentation" key={row} style={{ top: `${row * rowHeight}px` }}>
            <MapRow
              of={of}
              id={id}
              side={side}
              first={row * columns}
              channels={Array.from({ length: Math.min(columns, count - row * columns) }, (_, i) =>
                indexAt(row * columns + i),
              )}
            />
          </div>
        ))}
      </div>
    </div>
  );
}

/** As in inside.css, around the maps. */
const PADDING = 4;

/** How far a key moves along the list. */
function stepOf(key: string, row: number, page: number, all: number): number | undefined {
  const steps: { readonly [key: string]: number } = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: row,
    ArrowUp: -row,
    PageDown: page,
    PageUp: -page,
    Home: -all,
    End: all,
  };
  return steps[key];
}

interface MapRowProps {
  readonly of: Maps;
  readonly id: string;
  readonly side: number;
  /** The place of the first in the list. */
  readonly first: number;
  readonly channels: readonly number[];
}

function MapRow({ of, id, side, first, channels }: MapRowProps) {
  const [count, height, width] = of.shape;
  const isMaps = height * width > 1;
  return (
    <>
      {isMaps && <Strip name={of.name} of="output" channels={channels} scale={scale.value} side={side} gap={GAP} />}
      {channels.map((index, i) => (
        <div
          key={index}
          data-channel={index}
          id={`${id}-${index}`}
          class="inside-map"
          role="option"
          tabIndex={-1}
          aria-selected={index === channel.value}
          aria-setsize={count}
          aria-posinset={first + i + 1}
          aria-label={isMaps ? `${nameOf(of, index)}, largest number ${numberWords(of.peaks[index]!)}` : undefined}
          style={{ width: `${side}px`, left: `${i * (side + GAP)}px` }}
        >
          {isMaps ? <i style={{ height: `${side}px` }} /> : <NumberTile of={of} index={index} side={side} />}
          <span class="figures">{nameOf(of, index)}</span>
        </div>
      ))}
    </>
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
