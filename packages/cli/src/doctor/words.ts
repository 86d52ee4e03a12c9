import { styled } from "../printable.ts";
import { bold, columns, dim, wrapped } from "../terminal.ts";
import type { Auto, BackendHealth, PicturesHealth } from "./examine.ts";

export interface DoctorReport {
  readonly node: string;
  readonly platform: string;
  readonly backends: readonly BackendHealth[];
  readonly pictures: PicturesHealth;
  /** Backends for pages, from the installed packages. */
  readonly browser: readonly string[];
  readonly auto: Auto & { readonly large: Auto };
}

interface Row {
  readonly mark: "✓" | "✗" | "–";
  readonly name: string;
  readonly text: string;
}

/** Working backends, then the others, each with one command or cause; a common cause is printed once. */
export function words({ node, platform, backends, pictures, browser, auto }: DoctorReport): readonly string[] {
  const works = backends.filter(({ verified }) => verified);
  const others = backends.filter(({ verified }) => !verified);
  const rows: readonly Row[] = [
    ...works.map(
      ({ name, version, device, driver }): Row => ({
        mark: "✓",
        name,
        text: [version, device, driver].filter(Boolean).join(", "),
      }),
    ),
    ...(pictures.verified ? [pictureRow(pictures)] : []),
    { mark: "✓", name: "in a page", text: browser.join(", ") },
    ...(pictures.verified ? [] : [pictureRow(pictures)]),
    ...saidOnce(others.map(({ name, available, ...why }) => ({ mark: available ? "✗" : "–", name, text: way(why) }))),
  ];
  const width = Math.max(...rows.map(({ name }) => name.length));
  return [
    bold(`Node ${node} on ${platform}`),
    "",
    ...rows.flatMap((row) => linesOf(row, width)),
    "",
    ...(auto.large.name === auto.name
      ? []
      : wrapped(`auto takes ${auto.large.name} from ResNet-18 on: ${auto.large.reason}`, columns())),
    ...wrapped(`auto takes ${auto.name}: ${auto.reason}`, columns()),
  ];
}

function pictureRow({ name, version, verified, reason, ...why }: PicturesHealth): Row {
  if (!verified) return { mark: "✗", name: "pictures", text: way({ reason, ...why }) };
  const decoder = [name, version].filter(Boolean).join(" ");
  return { mark: "✓", name: "pictures", text: `${decoder}, since ${reason ?? "it loads here"}` };
}

/** The command, else the last clause of the reason, which says what to do. `--json` has the full reasons. */
function way({ reason, install }: Pick<BackendHealth, "reason" | "install">): string {
  return install ?? reason?.split("; ").at(-1) ?? "";
}

function saidOnce(rows: readonly Row[]): readonly Row[] {
  return rows.map((row) => {
    const first = rows.find(({ text }) => text === row.text)!;
    return first === row ? row : { ...row, text: `as ${first.name}` };
  });
}

const colours = { "✓": "green", "✗": "red", "–": "dim" } as const;

function linesOf({ mark, name, text }: Row, width: number): readonly string[] {
  const indent = width + 4;
  const [first = "", ...rest] = wrapped(text, columns() - indent);
  const shown = mark === "✓" ? (line: string) => line : dim;
  return [
    `${styled(colours[mark], mark)} ${name.padEnd(width)}  ${shown(first)}`,
    ...rest.map((line) => " ".repeat(indent) + shown(line)),
  ];
}
