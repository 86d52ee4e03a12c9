// Before the first paint, and so outside of the bundle: the theme that was chosen, where one was.
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.setAttribute("data-theme", theme);
} catch {
  // storage is forbidden: the system's theme
}
