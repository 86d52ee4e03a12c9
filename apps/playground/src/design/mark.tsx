interface MarkProps {
  readonly size: number;
  /** Whether to show it at work. */
  readonly isBusy?: boolean;
}

/** The mark: a layer's straight way, and the skip connection around it. */
export function Mark({ size, isBusy = false }: MarkProps) {
  return (
    <svg
      class={isBusy ? "busy-mark" : undefined}
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="none"
      stroke-linecap="round"
      stroke-width="3.2"
      aria-hidden="true"
      focusable="false"
    >
      <path stroke="var(--edge)" d="M9 5v22" />
      {isBusy && <path stroke="var(--line)" d="M9 5C28 5 28 27 9 27" />}
      <path stroke="var(--accent)" d="M9 5C28 5 28 27 9 27" pathLength={1} />
    </svg>
  );
}
