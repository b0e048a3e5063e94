// What the console measured of its frames, kept for the status page: in this browser only, where it lets us.

const KEY = "gapless.frames";

/** The most that a frame may take, 95 of 100: one of sixty a second. */
export const TARGET_MS = 16;

/** Remember a measurement. @param {{frames: number, p50: number, p95: number, max: number}} summary */
export function keepFrames(summary) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...summary, atMs: Date.now() }));
  } catch {
    // Storage may be forbidden (private mode): the status page has nothing to show, then.
  }
}

/** The newest measurement, or null. */
export function keptFrames() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}
