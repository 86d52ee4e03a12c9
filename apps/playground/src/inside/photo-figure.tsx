import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Channel, Opened } from "./methods.ts";
import { Outline } from "./outline.tsx";
import type { Region } from "./receptive-field.ts";
import { pinned } from "./state.ts";
import { numberWords } from "./words.ts";

/** The part of the picture that the network sees, with a region of it lit. */
export function PhotoFigure({ view, region }: { readonly view: Opened; readonly region: Region | undefined }) {
  return (
    <div class="inside-stage">
      <PhotoImage view={view} />
      {region && <Outline region={region} of={view.input} look="field" />}
    </div>
  );
}

function PhotoImage({ view: { photo } }: { readonly view: Opened }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    canvas.current!.getContext("2d")!.putImageData(imageOf(photo), 0, 0);
  }, [photo]);
  return (
    <canvas
      ref={canvas}
      width={photo.side}
      height={photo.side}
      role="img"
      aria-label="The part of the photo that the network sees"
    />
  );
}

const imageOf = ({ side, rgba }: Opened["photo"]): ImageData => new ImageData(new Uint8ClampedArray(rgba), side, side);

/** The patches of the photo that this channel answers to most. */
export function Spots({ view, found }: { readonly view: Opened; readonly found: Channel }) {
  return (
    <div class="inside-spots">
      <h4>What it answers to most</h4>
      <ul>
        {found.spots.map((spot) => (
          <li key={`${spot.row} ${spot.column}`}>
            <button
              type="button"
              class="inside-spot"
              aria-label={`row ${spot.row}, column ${spot.column}: ${numberWords(spot.value)}`}
              onClick={() => {
                pinned.value = spot;
              }}
            >
              <Crop view={view} region={spot.field.region} />
              <span class="figures">{numberWords(spot.value)}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

const CROP = 96;

function Crop({
  view: { photo, input },
  region: { rows, columns },
}: {
  readonly view: Opened;
  readonly region: Region;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let isWanted = true;
    const [down, right] = [photo.side / input[0], photo.side / input[1]];
    const [height, width] = [rows.last - rows.first + 1, columns.last - columns.first + 1];
    void createImageBitmap(imageOf(photo), columns.first * right, rows.first * down, width * right, height * down).then(
      (bitmap) => {
        if (isWanted && canvas.current) draw(canvas.current, bitmap);
        bitmap.close();
      },
    );
    return () => {
      isWanted = false;
    };
  }, [photo, input, rows.first, rows.last, columns.first, columns.last]);
  return <canvas ref={canvas} width={CROP} height={CROP} />;
}

/** The whole bitmap, as large as it fits. */
function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  const context = canvas.getContext("2d")!;
  const fit = CROP / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * fit, bitmap.height * fit];
  context.clearRect(0, 0, CROP, CROP);
  context.drawImage(bitmap, (CROP - width) / 2, (CROP - height) / 2, width, height);
}
