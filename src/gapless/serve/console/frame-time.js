// How long each frame keeps the page busy: scripts, style, layout and paint, measured by the page itself.
//
// A frame is timed from the begin of its callback to the first task behind its paint. What ran between two frames,
// messages and sound, counts for the frame that shows it. Rastering is done elsewhere and does not keep the page busy.

/** Frames that are remembered: some 17 seconds at 60 a second. */
const KEPT_FRAMES = 1024;

export class FrameTimes {
  /** Frames since the begin. */
  count = 0;
  /** Of these, how many the browser itself calls long: over 50 ms. */
  long = 0;
  #took = new Float64Array(KEPT_FRAMES);
  #between = 0;
  /** When the frame that is being drawn began, or null. */
  #began = null;
  #painted = new MessageChannel();

  constructor() {
    this.#painted.port1.onmessage = () => this.#end();
    if (!globalThis.PerformanceObserver?.supportedEntryTypes.includes("long-animation-frame")) return;
    const observer = new PerformanceObserver((list) => (this.long += list.getEntries().length));
    observer.observe({ type: "long-animation-frame" });
  }

  /** Forget everything: a new stream begins. */
  reset() {
    this.count = this.long = this.#between = 0;
    this.#began = null;
  }

  /** Do something between two frames, and count how long it takes. @param {() => void} work */
  between(work) {
    const began = performance.now();
    work();
    // Nobody sees a hidden page, and it has no frames that this could count for.
    if (!document.hidden) this.#between += performance.now() - began;
  }

  /** A frame begins: to be called first in its callback. */
  begin() {
    this.#began = performance.now();
    this.#painted.port2.postMessage(null);
  }

  /** What the frames that are remembered took. */
  get summary() {
    return summarise(this.#took.subarray(0, Math.min(this.count, KEPT_FRAMES)));
  }

  #end() {
    if (this.#began === null) return;
    this.#took[this.count++ % KEPT_FRAMES] = this.#between + performance.now() - this.#began;
    this.#between = 0;
    this.#began = null;
  }
}

/**
 * Percentiles that were measured, by nearest rank; null where there is nothing.
 * @param {Iterable<number>} times
 * @returns {{frames: number, p50: number, p95: number, max: number} | null}
 */
export function summarise(times) {
  const ordered = Float64Array.from(times).sort();
  if (!ordered.length) return null;
  const rank = (share) => ordered[Math.ceil(share * ordered.length) - 1];
  return { frames: ordered.length, p50: rank(0.5), p95: rank(0.95), max: ordered.at(-1) };
}
