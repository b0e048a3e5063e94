// The console's small print: how long its own frames take while it listens.

import { keepFrames, TARGET_MS } from "./frame-kept.js";

/** As often as anybody would read it. */
const EVERY_MS = 1000;

export class FramePrint {
  #root;
  #times;
  #next = 0;

  /**
   * @param {HTMLElement} root
   * @param {import("./frame-time.js").FrameTimes} times
   */
  constructor(root, times) {
    this.#root = root;
    this.#times = times;
  }

  /** To be called in each frame. @param {number} now of requestAnimationFrame */
  draw(now) {
    if (now < this.#next) return;
    this.#next = now + EVERY_MS;
    const { summary, long } = this.#times;
    if (!summary) return;
    const { frames, p50, p95, max } = summary;
    this.#root.textContent = `Frames take ${p95.toFixed(1)} ms (p95 of ${frames}), of ${TARGET_MS} ms`;
    Object.assign(this.#root.dataset, { frames, p50Ms: p50, p95Ms: p95, maxMs: max, long });
    this.#root.hidden = false;
    keepFrames(summary);
  }
}
