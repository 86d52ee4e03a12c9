import { signal } from "@preact/signals";
import { bytes, dotted } from "../app/format.ts";
import { ProblemWords } from "../app/problem.tsx";
import { engine, fail, loadNetwork, problem } from "../app/state.ts";
import { Button, Dialog, Notice, Segmented } from "../design/components.tsx";
import { offeredBackends } from "./backends.ts";
import {
  changeDraft,
  closeDialog,
  type Draft,
  draft,
  draftProblem,
  openDialog,
  requestOf,
  type WeightsKind,
} from "./dialog-state.ts";
import { KnownList } from "./known-list.tsx";

const kinds: readonly { readonly value: WeightsKind; readonly label: string }[] = [
  { value: "embedded", label: "Embedded" },
  { value: "known", label: "By name" },
  { value: "file", label: "From a file" },
];

export function NetworkDialog() {
  const chosen = draft.value;
  return (
    <Dialog title="Network" isOpen={chosen !== undefined} onClose={closeDialog}>
      {chosen && <Form chosen={chosen} />}
    </Dialog>
  );
}

function Form({ chosen }: { readonly chosen: Draft }) {
  const request = requestOf(chosen);
  const load = async () => {
    if (!request) return;
    closeDialog();
    const isLoaded = await loadNetwork(request);
    if (!isLoaded && problem.value && chosen.kind === "file") openDialog(chosen);
  };
  return (
    <form
      class="network-form"
      onSubmit={(event) => {
        event.preventDefault();
        void load();
      }}
    >
      {draftProblem.value && (
        <Notice tone="bad">
          <ProblemWords of={draftProblem.value} />
        </Notice>
      )}
      <fieldset>
        <legend>Weights</legend>
        <Segmented label="Weights" choices={kinds} value={chosen.kind} onChange={(kind) => changeDraft({ kind })} />
        {chosen.kind === "embedded" && (
          <p class="quiet">
            CIFAR-10's ResNet-20, trained for this project: 10 classes, 89.6 % of the test images right, 1.1 MB. Nothing
            is fetched.
          </p>
        )}
        {chosen.kind === "known" && <KnownList chosen={chosen.known} />}
        {chosen.kind === "file" && <FileFields chosen={chosen} />}
      </fieldset>
      <fieldset>
        <legend>Backend</legend>
        <ul class="options">
          {offeredBackends.map(({ name, words, bytes: size }) => (
            <li key={name}>
              <label>
                <input
                  type="radio"
                  name="backend"
                  checked={chosen.backend === name}
                  onChange={() => changeDraft({ backend: name })}
                />
                <span>
                  <b>{name}</b>
                  <small>{dotted([words, size === undefined ? undefined : bytes(size)])}</small>
                </span>
              </label>
            </li>
          ))}
        </ul>
      </fieldset>
      <div class="form-end">
        <Button onClick={closeDialog}>Cancel</Button>
        <Button look="primary" type="submit" disabled={!request}>
          Load
        </Button>
      </div>
    </form>
  );
}

const models = signal<readonly string[]>([]);

async function listModels(): Promise<void> {
  try {
    if (models.value.length === 0) models.value = await engine.call("models", undefined);
  } catch (error) {
    fail(error);
  }
}

function FileFields({ chosen: { file, model } }: { readonly chosen: Draft }) {
  void listModels();
  return (
    <>
      <label class="file-field">
        <input
          type="file"
          aria-label="File of weights"
          onChange={({ currentTarget: { files } }) => files?.[0] && changeDraft({ file: files[0] })}
        />
        <span class="button">Choose a file</span>
        <span class={file ? undefined : "quiet"}>
          {file ? `${file.name}, ${bytes(file.size)}` : ".pth, .safetensors, .h5, .keras, .onnx, .npz"}
        </span>
      </label>
      <label class="field">
        <span class="field-name">Model</span>
        <select
          class="input"
          aria-label="Model"
          value={model ?? ""}
          onChange={({ currentTarget: { value } }) => changeDraft({ model: value })}
        >
          <option value="">As the file says</option>
          {models.value.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    </>
  );
}
