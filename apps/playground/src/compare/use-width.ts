import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** Pixels, below which no figure can be read. */
const LEAST = 240;

/** The width of an element, in pixels; it is drawn again when the width changes. */
export function useWidth<E extends Element>(initial: number): readonly [RefObject<E | null>, number] {
  const element = useRef<E>(null);
  const [width, setWidth] = useState(initial);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width } = entry!.contentRect;
      if (width > 0) setWidth(Math.max(Math.round(width), LEAST)); // 0: it is about to be taken off the page
    });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}
