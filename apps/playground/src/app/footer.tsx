import { Icon } from "../design/icon.tsx";
import { isKept } from "./offline.ts";

export function Footer() {
  return (
    <footer class="foot small quiet">
      <p>Pictures and weights stay on this device: the network runs in your browser.</p>
      {isKept.value && (
        <p class="kept">
          <Icon name="check" size={16} /> Kept for use offline
        </p>
      )}
    </footer>
  );
}
