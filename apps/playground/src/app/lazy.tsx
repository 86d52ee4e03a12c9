import { type Signal, signal } from "@preact/signals";
import type { ComponentType } from "preact";

/** A component that is fetched when it is first shown. */
export interface Lazy {
  readonly component: Signal<ComponentType | undefined>;
  fetch(): void;
}

export function lazy(load: () => Promise<ComponentType>): Lazy {
  const component = signal<ComponentType | undefined>(undefined);
  let isAsked = false;
  return {
    component,
    fetch() {
      if (isAsked) return;
      isAsked = true;
      load().then((found) => {
        component.value = found;
      });
    },
  };
}

export function Suspense({ of }: { readonly of: Lazy }) {
  of.fetch();
  const Component = of.component.value;
  return Component ? <Component /> : <p class="waiting">One moment …</p>;
}
