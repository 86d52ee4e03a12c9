import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icon.tsx";

/** The parts that every room is built of. Their looks are in components.css. */

type Attributes<Tag extends keyof JSX.IntrinsicElements> = Omit<JSX.IntrinsicElements[Tag], "class" | "icon" | "size">;

interface ButtonProps extends Attributes<"button"> {
  /** `primary` for the one thing to do in a view. */
  readonly look?: "primary" | "plain" | undefined;
  readonly size?: "compact" | undefined;
  readonly icon?: IconName | undefined;
  /** Read aloud for a button that shows only its icon, and shown when it is pointed at. */
  readonly label?: string | undefined;
}

export function Button({ look, size, icon, label, children, ...rest }: ButtonProps) {
  const isIcon = children === undefined;
  const names = ["button", look, size, isIcon && "icon"].filter(Boolean).join(" ");
  return (
    <button type="button" {...rest} class={names} aria-label={label} title={isIcon ? label : undefined}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface CardProps {
  readonly title?: string | undefined;
  /** The level of the title's heading: 2 directly under the room's own. Default 3 */
  readonly level?: 2 | 3;
  readonly children: ComponentChildren;
}

export function Card({ title, level = 3, children }: CardProps) {
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <section class="card" aria-label={title}>
      {title && <Heading>{title}</Heading>}
      {children}
    </section>
  );
}

interface Choice<Value extends string> {
  readonly value: Value;
  readonly label: string;
  /** Shown in place of the label, which is then read aloud. */
  readonly icon?: IconName;
}

interface SegmentedProps<Value extends string> {
  /** The name of the group. */
  readonly label: string;
  readonly choices: readonly Choice<Value>[];
  readonly value: Value;
  readonly isDisabled?: boolean;
  readonly onChange: (value: Value) => void;
}

/** One of a few choices, all of them seen: radio buttons. */
export function Segmented<Value extends string>(props: SegmentedProps<Value>) {
  const { label, choices, value, isDisabled, onChange } = props;
  const name = useId();
  return (
    <div
      class={choices.every(({ icon }) => icon) ? "segmented icons" : "segmented"}
      role="radiogroup"
      aria-label={label}
    >
      {choices.map((choice) => (
        <label key={choice.value} title={choice.icon && choice.label}>
          <input
            type="radio"
            name={name}
            checked={choice.value === value}
            disabled={isDisabled}
            aria-label={choice.label}
            onChange={() => onChange(choice.value)}
          />
          {choice.icon ? <Icon name={choice.icon} /> : choice.label}
        </label>
      ))}
    </div>
  );
}

interface MeterProps {
  /** From 0 to 1. */
  readonly share: number;
  readonly tone?: "strong" | "good" | "bad" | undefined;
}

/** A bar beside a figure that is written out: the bar is not read aloud. */
export function Meter({ share, tone }: MeterProps) {
  const filled = Math.min(Math.max(share, 0), 1);
  return (
    <span class={tone ? `meter ${tone}` : "meter"} aria-hidden="true">
      <span class="meter-fill" style={{ translate: `${100 * (filled - 1)}%` }} />
    </span>
  );
}

interface ProgressProps {
  readonly label: string;
  /** From 0 to 1; undefined while the end is not known. */
  readonly share: number | undefined;
}

export function Progress({ label, share }: ProgressProps) {
  const percent = share === undefined ? undefined : Math.round(100 * Math.min(share, 1));
  return (
    <span
      class={percent === undefined ? "progress open" : "progress"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <span class="progress-fill" style={percent === undefined ? undefined : { translate: `${percent - 100}%` }} />
    </span>
  );
}

interface DialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly children: ComponentChildren;
  readonly onClose: () => void;
}

/** A modal dialog: Escape, the close button and a click beside it close it. */
export function Dialog({ title, isOpen, children, onClose }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    if (isOpen) dialog.current!.showModal();
    else dialog.current!.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby={titleId} closedby="any" onClose={onClose}>
      <header>
        <h2 id={titleId}>{title}</h2>
        <Button look="plain" size="compact" icon="close" label="Close" onClick={onClose} />
      </header>
      <div class="body">{isOpen && children}</div>
    </dialog>
  );
}

/** Beneath a figure: what it shows, in a sentence. */
export function Caption({ children }: { readonly children: ComponentChildren }) {
  return <figcaption class="caption">{children}</figcaption>;
}

interface NoticeProps {
  readonly tone?: "good" | "bad" | undefined;
  readonly children: ComponentChildren;
  readonly action?: ComponentChildren;
}

/** A sentence that a person must see. An error is read aloud at once. */
export function Notice({ tone, children, action }: NoticeProps) {
  return (
    <div class={tone ? `notice ${tone}` : "notice"} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={tone === "bad" ? "alert" : tone === "good" ? "check" : "info"} />
      <div>{children}</div>
      {action}
    </div>
  );
}
