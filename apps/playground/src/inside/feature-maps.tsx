import { Card, Segmented } from "../design/components.tsx";
import { Histogram } from "./histogram.tsx";
import { Legend } from "./legend.tsx";
import { MapGrid } from "./map-grid.tsx";
import { maps, order, scale } from "./state.ts";
import { countWords } from "./words.ts";

const orders = [
  { value: "strongest", label: "Strongest first" },
  { value: "number", label: "By number" },
] as const;
const scales = [
  { value: "map", label: "Each map" },
  { value: "layer", label: "Whole layer" },
] as const;

/** All maps of a layer, with what their numbers are like. */
export function FeatureMaps() {
  const of = maps.value!;
  const [count, height, width] = of.shape;
  const isMaps = height * width > 1;
  const title = !isMaps ? `${countWords(count)} numbers` : `${countWords(count)} maps of ${height} × ${width} numbers`;
  return (
    <Card title={title}>
      <div class="inside-tools">
        <Segmented
          label="Order of the maps"
          choices={orders}
          value={order.value}
          onChange={(value) => {
            order.value = value;
          }}
        />
        {isMaps && (
          <Segmented
            label="Strongest colour for the largest of"
            choices={scales}
            value={scale.value}
            onChange={(value) => {
              scale.value = value;
            }}
          />
        )}
        <Legend isSigned={of.statistics.min < 0} />
      </div>
      <MapGrid of={of} />
      <Histogram statistics={of.statistics} label="All numbers of the layer" />
    </Card>
  );
}
