// What the page remembers from one visit to the next, where the browser lets it.

const PREFIX = "gapless.play.";

/** What was kept under this name, or null. */
export function kept(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    // Storage may be forbidden (private mode); the page works without.
    return null;
  }
}

/** Keep this under a name. */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Not remembered, then: it holds for this visit.
  }
}
