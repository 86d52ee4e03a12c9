import { signal } from "@preact/signals";

const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const page = document.documentElement;

/** `public/theme.js` has set the theme that is kept. */
export const theme = signal<Theme>(themes.find((each) => each === page.getAttribute("data-theme")) ?? "system");

export function chooseTheme(next: Theme): void {
  theme.value = next;
  if (next === "system") page.removeAttribute("data-theme");
  else page.setAttribute("data-theme", next);
  try {
    if (next === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", next);
  } catch {
    // storage is forbidden: the choice holds until the page is closed
  }
}
