// Light or dark: the system's choice until the button was used once, then what it said last.
// A classic script in the head, so that the page never flashes in the wrong colours.
(() => {
  const KEY = "gapless.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  /** Storage may be forbidden (private mode); the page works without. */
  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function remember(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Not remembered, then: the choice holds for this visit.
    }
  }

  let chosen = remembered();
  if (chosen !== "light" && chosen !== "dark") chosen = null;

  const isDark = () => (chosen ? chosen === "dark" : system.matches);

  function apply() {
    if (chosen) root.dataset.theme = chosen;
    document.getElementById("theme-button")?.setAttribute("aria-pressed", String(isDark()));
    // The waveform is painted by script and has to hear of it.
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme-button")?.addEventListener("click", () => {
      chosen = isDark() ? "light" : "dark";
      remember(chosen);
      apply();
    });
  });
})();
