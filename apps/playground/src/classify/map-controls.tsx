import { Caption } from "../design/components.tsx";
import { heat, isMapShown, mapClass, noMap, opacity, seen, showMap } from "./state.ts";

/** Shows or hides the class activation map, and sets how much of it lies over the picture. */
export function MapControls() {
  if (noMap.value !== undefined) return <Caption>No class activation map: {noMap.value}.</Caption>;
  const mapped = seen.value?.predictions.find(({ index }) => index === mapClass.value);
  const isOff = heat.value === undefined || !isMapShown.value;
  return (
    <>
      <div class="map-controls">
        <label class="switch">
          <input
            type="checkbox"
            checked={isMapShown.value}
            onChange={({ currentTarget: { checked } }) => showMap(checked)}
          />
          <span>Activation map</span>
        </label>
        <label class="opacity">
          <span class="quiet small">Opacity</span>
          <input
            class="range"
            aria-label="Opacity of the map"
            type="range"
            min="0"
            max="100"
            value={100 * opacity.value}
            disabled={isOff}
            onInput={({ currentTarget: { valueAsNumber } }) => (opacity.value = valueAsNumber / 100)}
          />
        </label>
      </div>
      <Caption>
        {mapped
          ? `Where the network sees ${mapped.label}: violet adds the least to the class, yellow the most.`
          : "Where the network sees the class."}
      </Caption>
    </>
  );
}
