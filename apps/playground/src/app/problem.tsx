import { Button, Notice } from "../design/components.tsx";
import type { Problem } from "../engine/problem.ts";
import { openDialog } from "../network/dialog-state.ts";
import { update } from "./offline.ts";
import { note, problem } from "./state.ts";

/** What each code means to a person; the message says what was found, and the way out. */
const titles: { readonly [code: string]: string } = {
  BackendUnavailableError: "This backend does not work here",
  CameraError: "The camera does not start",
  DeviceLostError: "The GPU's device was lost",
  FormatError: "This file cannot be read",
  NetworkError: "The server is not reached",
  OptionError: "This cannot be done",
  OutOfMemoryError: "There is not enough memory",
  ShapeError: "Sizes do not fit",
  UnsupportedError: "This is not supported",
  WeightsError: "These weights cannot be used",
  WorkerLost: "The worker has failed",
};

const openWeights = () => openDialog();
const actions: { readonly [code: string]: readonly [label: string, act: () => void] } = {
  BackendUnavailableError: ["Choose a backend", openWeights],
  DeviceLostError: ["Choose a backend", openWeights],
  NetworkError: ["Reload", () => location.reload()],
  OutOfMemoryError: ["Choose a network", openWeights],
  WeightsError: ["Choose weights", openWeights],
  WorkerLost: ["Reload", () => location.reload()],
};

export function ProblemWords({ of: { code, message } }: { readonly of: Problem }) {
  const [first = "", ...more] = message.split("\n");
  return (
    <>
      <b>{titles[code] ?? "Something went wrong"}</b>
      <br />
      {sentence(first)}
      {more.length > 0 && (
        <details>
          <summary>All that was found</summary>
          <ul>
            {more.map((line) => (
              <li key={line}>{line.trim()}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** The libraries' messages begin with a small letter, or with a file's name; they end without a full stop. */
function sentence(message: string): string {
  const isName = /^\S+:/.test(message);
  return `${isName ? message[0] : message[0]?.toUpperCase()}${message.slice(1)}${/[.!?:]$/.test(message) ? "" : "."}`;
}

/** The page's errors and notes, each with its way out and a button that puts it away. */
export function Notices() {
  const found = problem.value;
  const action = found && actions[found.code];
  return (
    <>
      {found && (
        <Notice
          tone="bad"
          action={
            <span class="actions">
              {action && (
                <Button size="compact" onClick={action[1]}>
                  {action[0]}
                </Button>
              )}
              <Dismiss onClick={() => (problem.value = undefined)} />
            </span>
          }
        >
          <ProblemWords of={found} />
        </Notice>
      )}
      {update.value && (
        <Notice
          action={
            <Button size="compact" onClick={update.value}>
              Reload
            </Button>
          }
        >
          A newer version of this page is ready.
        </Notice>
      )}
      {note.value && <Notice action={<Dismiss onClick={() => (note.value = undefined)} />}>{note.value}</Notice>}
    </>
  );
}

function Dismiss({ onClick }: { readonly onClick: () => void }) {
  return <Button look="plain" size="compact" icon="close" label="Dismiss" onClick={onClick} />;
}
