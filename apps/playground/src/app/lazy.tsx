import { type Signal, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { Mark } from "../design/mark.tsx";
import { fail } from "./state.ts";

/** A component that is fetched when it is first shown. */
export interface Lazy {
  readonly component: Signal<ComponentType | undefined>;
  fetch(): void;
}

export function lazy(load: () => Promise<ComponentType>): Lazy {
  const component = signal<ComponentType | undefined>(undefined);
  let isAsked = false;
  const fetch = async () => {
    try {
      component.value = await load();
    } catch (error) {
      isAsked = false; // asked again when the room is entered again
      fail(error);
    }
  };
  return {
    component,
    fetch() {
      if (isAsked) return;
      isAsked = true;
      void fetch();
    },
  };
}

export function Suspense({ of }: { readonly of: Lazy }) {
  of.fetch();
  const Component = of.component.value;
  if (Component) return <Component />;
  return (
    <div class="room-loading" role="status">
      <Mark size={48} isBusy />
      <span class="aloud">One moment</span>
    </div>
  );
}
