import { useEffect, useRef, useState } from "preact/hooks";
import { engine, fail } from "../app/state.ts";
import type { PaintRequest } from "./methods.ts";
import { opened, palette } from "./state.ts";

interface StripProps extends Pick<PaintRequest, "name" | "of" | "channels" | "scale"> {
  /** Side of a map, and the distance between two, in CSS pixels. */
  readonly side: number;
  readonly gap?: number;
}

/** Maps side by side, painted by the worker: the page's thread only shows the picture. */
export function Strip({ name, of, channels, scale, side, gap = 0 }: StripProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [painted, setPainted] = useState("");
  const [{ look }, theme, pixels] = [opened.value!, palette.value, devicePixelRatio];
  const key = [look.id, name, of, scale, theme, side, pixels, ...channels].join(" ");
  useEffect(() => {
    let isWanted = true;
    const sizes = { side: Math.round(side * pixels), gap: Math.round(gap * pixels) };
    engine.call("paintMaps", { ...look, ...sizes, name, of, channels, scale, palette: theme }).then(
      (bitmap) => {
        if (!isWanted || !canvas.current) return bitmap.close();
        canvas.current.getContext("bitmaprenderer")!.transferFromImageBitmap(bitmap);
        setPainted(key);
      },
      (error: unknown) => isWanted && fail(error),
    );
    return () => {
      isWanted = false;
    };
  }, [key]);
  const width = channels.length * (side + gap) - gap;
  return (
    <canvas
      ref={canvas}
      data-painted={painted === key ? name : undefined}
      style={{ width: `${width}px`, height: `${side}px` }}
    />
  );
}
