import { takeFiles } from "../app/intake.ts";
import { picture } from "../app/state.ts";
import { Button } from "../design/components.tsx";
import { Icon } from "../design/icon.tsx";
import { Mark } from "../design/mark.tsx";
import { camera, startCamera, stopCamera } from "./camera.ts";
import { Facts } from "./facts.tsx";
import { MapControls } from "./map-controls.tsx";
import { Results } from "./results.tsx";
import { Samples } from "./samples.tsx";
import { Stage } from "./stage.tsx";

export function Classify() {
  const isEmpty = !picture.value && !camera.value;
  return (
    <section class="classify" aria-labelledby="classify-title">
      <h1 id="classify-title" class="aloud">
        Classify a picture
      </h1>
      <figure class="look">
        {isEmpty ? <EmptyStage /> : <Stage />}
        <MapControls />
      </figure>
      <div class="give">
        <Intake />
        <Samples current={picture.value?.name} />
      </div>
      <Results />
      <Facts />
    </section>
  );
}

function EmptyStage() {
  return (
    <div class="stage empty">
      <Mark size={72} />
      <p>Drop a picture anywhere, or paste one</p>
    </div>
  );
}

function Intake() {
  return (
    <div class="intake">
      <label class="file-field">
        <input
          type="file"
          accept="image/*"
          aria-label="Picture"
          onChange={({ currentTarget }) => {
            takeFiles(currentTarget.files);
            currentTarget.value = ""; // so that the same file can be chosen again
          }}
        />
        <span class="button primary">
          <Icon name="picture" /> Choose a picture
        </span>
      </label>
      {camera.value ? (
        <Button icon="stop" label="Stop the camera" onClick={stopCamera}>
          Stop
        </Button>
      ) : (
        <Button icon="camera" onClick={() => void startCamera()}>
          Camera
        </Button>
      )}
      <span class="small quiet">or drop or paste one</span>
    </div>
  );
}
