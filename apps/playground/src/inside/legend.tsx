import { cssColour } from "./colours.ts";
import { palette } from "./state.ts";

/** The colours of numbers: the same in maps, patches, kernels and products. */
export function Legend({ isSigned }: { readonly isSigned: boolean }) {
  const stops = Array.from({ length: 9 }, (_, i) => (isSigned ? i / 4 - 1 : i / 8));
  const colours = stops.map((share) => cssColour(share, 1, palette.value)).join(", ");
  return (
    <p class="inside-legend quiet small">
      {isSigned && <span>negative</span>}
      <span>{isSigned ? "" : "0"}</span>
      <span class="inside-scale" style={{ background: `linear-gradient(90deg, ${colours})` }} />
      <span>positive</span>
    </p>
  );
}
