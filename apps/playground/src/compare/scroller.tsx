import type { ComponentChildren, Ref } from "preact";

interface ScrollerProps {
  readonly label: string;
  readonly look: string;
  readonly frame?: Ref<HTMLElement> | undefined;
  readonly children: ComponentChildren;
}

/** Keys scroll what has the focus, so a part that scrolls must be able to get it (WCAG 2.2, 2.1.1). */
const focusable = { tabIndex: 0 };

export function Scroller({ label, look, frame, children }: ScrollerProps) {
  return (
    <section class={look} aria-label={label} {...focusable} {...(frame && { ref: frame })}>
      {children}
    </section>
  );
}
