import { Segmented } from "../design/components.tsx";
import { Mark } from "../design/mark.tsx";
import { type Room, room } from "./state.ts";
import { chooseTheme, theme } from "./theme.ts";

const titles: { readonly [R in Room]: string } = {
  classify: "Classify",
  compare: "Compare",
  inside: "Look inside",
  train: "Train",
};

export function Header() {
  return (
    <header class="top">
      <a class="brand" href="#classify" aria-label="Residual, to the start">
        <Mark size={30} />
        <span>Residual</span>
      </a>
      <nav aria-label="Rooms">
        {Object.entries(titles).map(([name, title]) => (
          <a key={name} href={`#${name}`} aria-current={room.value === name ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <Segmented
        label="Theme"
        value={theme.value}
        onChange={chooseTheme}
        choices={[
          { value: "light", label: "Light", icon: "sun" },
          { value: "system", label: "As the system", icon: "system" },
          { value: "dark", label: "Dark", icon: "moon" },
        ]}
      />
    </header>
  );
}
