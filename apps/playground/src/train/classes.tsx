import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Button, Card } from "../design/components.tsx";
import { Icon } from "../design/icon.tsx";
import { attach, hold, recording, release, startRecorder, stopRecorder, stream } from "./recorder.ts";
import { addClass, addFiles, addFolder, classes, removeClass, removeShot, rename, type TaughtClass } from "./state.ts";

/** The classes and their pictures, with the ways to give some. */
export function Classes() {
  return (
    <div class="train-classes">
      <div class="train-ways">
        {stream.value ? (
          <Button icon="stop" onClick={stopRecorder}>
            Stop the camera
          </Button>
        ) : (
          <Button icon="camera" onClick={() => void startRecorder()}>
            Start the camera
          </Button>
        )}
        <FilesButton words="Choose a folder" label="Folder with a subfolder for each class" isFolder take={addFolder} />
        <span class="small quiet">with a subfolder for each class</span>
      </div>
      {stream.value && <Viewfinder of={stream.value} />}
      <ul class="train-list">
        {classes.value.map((each) => (
          <li key={each.id}>
            <ClassCard of={each} />
          </li>
        ))}
      </ul>
      <Button onClick={addClass}>Add a class</Button>
    </div>
  );
}

function Viewfinder({ of }: { readonly of: MediaStream }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => attach(video.current!, of), [of]);
  return (
    <div class="train-camera" data-recording={recording.value !== undefined ? "" : undefined}>
      <video ref={video} muted playsInline aria-label="The camera" />
    </div>
  );
}

interface FilesButtonProps {
  readonly words: string;
  /** The name of the field. */
  readonly label: string;
  readonly isFolder?: boolean;
  readonly take: (files: readonly File[]) => unknown;
}

function FilesButton({ words, label, isFolder = false, take }: FilesButtonProps) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current!.webkitdirectory = isFolder;
  }, [isFolder]);
  return (
    <label class="file-field">
      <input
        ref={field}
        type="file"
        multiple
        accept={isFolder ? undefined : "image/*"}
        aria-label={label}
        onChange={({ currentTarget }) => {
          take([...(currentTarget.files ?? [])]);
          currentTarget.value = ""; // so that the same files can be chosen again
        }}
      />
      <span class="button">{words}</span>
    </label>
  );
}

/** Pictures of a class that are shown; the others are counted. */
const SHOWN = 24;

function ClassCard({ of }: { readonly of: TaughtClass }) {
  const { id, name, pictures } = of;
  return (
    <Card>
      <div class="train-name">
        <input
          class="input"
          aria-label="Name of the class"
          value={name}
          onInput={({ currentTarget: { value } }) => rename(id, value)}
        />
        <span class="quiet figures">{pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`}</span>
        <Button look="plain" size="compact" icon="close" label={`Remove ${name}`} onClick={() => removeClass(id)} />
      </div>
      {pictures.length > 0 && (
        <ul class="train-pictures">
          {pictures
            .toReversed()
            .slice(0, SHOWN)
            .map((shot) => (
              <li key={shot.id}>
                <button type="button" title="Remove" onClick={() => removeShot(id, shot)}>
                  <img src={shot.thumbnail} alt={`Remove ${shot.name}`} height="56" />
                </button>
              </li>
            ))}
          {pictures.length > SHOWN && <li class="quiet small">and {pictures.length - SHOWN} more</li>}
        </ul>
      )}
      <div class="train-ways">
        {stream.value && <HoldButton of={of} />}
        <FilesButton words="Add pictures" label={`Pictures of ${name}`} take={(files) => addFiles(id, files)} />
      </div>
    </Card>
  );
}

/** Records while it is held: by a finger, a mouse, or the space bar. */
function HoldButton({ of: { id, name } }: { readonly of: TaughtClass }) {
  const isKey = ({ key }: KeyboardEvent) => key === " " || key === "Enter";
  return (
    <button
      type="button"
      class={recording.value === id ? "button primary train-hold" : "button train-hold"}
      aria-label={`Hold to record ${name}`}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        void hold(id);
      }}
      onPointerUp={release}
      onPointerCancel={release}
      onKeyDown={(event) => {
        if (!isKey(event)) return;
        event.preventDefault();
        void hold(id);
      }}
      onKeyUp={release}
      onBlur={release}
      onContextMenu={(event) => event.preventDefault()} // of a long press
    >
      <Icon name="camera" />
      {recording.value === id ? "Recording" : "Hold to record"}
    </button>
  );
}
