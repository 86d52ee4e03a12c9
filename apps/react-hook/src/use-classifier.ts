import { useCallback, useEffect, useRef, useState } from "react";
import { type Classify, open, type Predictions, type Source } from "./open.ts";

interface ClassifierState {
  readonly isReady: boolean;
  /** Share of the loading step under way, from 0 to 1. */
  readonly progress: number;
  readonly isClassifying: boolean;
  /** Of the last picture, likeliest class first. */
  readonly predictions?: Predictions | undefined;
  /** Of loading, or of the last picture. Its name is Residual's code: FormatError, WeightsError, … */
  readonly error?: Error | undefined;
}

export interface UsedClassifier extends ClassifierState {
  /** Classifies a picture, as soon as the model is loaded. The picture before it, if still under way, is dropped. */
  readonly classify: (picture: Blob) => Promise<void>;
  /** Drops the picture under way. */
  readonly cancel: () => void;
}

const LOADING: ClassifierState = { isReady: false, progress: 0, isClassifying: false };
const errorOf = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

/** A classifier that lives as long as the component, in a Web Worker or on the page's own thread. */
export function useClassifier(where: keyof typeof open = "worker", { weights, model }: Source = {}): UsedClassifier {
  const [state, setState] = useState(LOADING);
  const opening = useRef<Promise<Classify>>(undefined);
  const running = useRef<AbortController>(undefined);
  const change = useCallback((part: Partial<ClassifierState>) => setState((state) => ({ ...state, ...part })), []);

  useEffect(() => {
    const mounted = new AbortController(); // StrictMode mounts twice: the first load is aborted
    const { signal } = mounted;
    const tell = (part: Partial<ClassifierState>) => signal.aborted || change(part);
    setState(LOADING);
    opening.current = open[where](
      { weights, model },
      { signal, onProgress: ({ done, total }) => tell({ progress: done / total }) },
    );
    opening.current.then(
      () => tell({ isReady: true, progress: 1 }),
      (error: unknown) => tell({ error: errorOf(error) }),
    );
    return () => {
      running.current?.abort();
      mounted.abort();
    };
  }, [where, weights, model, change]);

  const classify = useCallback(
    async (picture: Blob) => {
      running.current?.abort();
      running.current = new AbortController();
      const { signal } = running.current;
      const tell = (part: Partial<ClassifierState>) => signal.aborted || change({ isClassifying: false, ...part });
      change({ isClassifying: true, predictions: undefined, error: undefined });
      try {
        const run = await opening.current!;
        tell({ predictions: await run(picture, signal) });
      } catch (error) {
        tell({ error: errorOf(error) });
      }
    },
    [change],
  );

  const cancel = useCallback(() => {
    running.current?.abort();
    change({ isClassifying: false });
  }, [change]);

  return { ...state, classify, cancel };
}
