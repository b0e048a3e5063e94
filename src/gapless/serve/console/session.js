// One session of listening, from the first sound to the last word: a source, a stream, and who is told.

import { toPcm16 } from "./pcm.js";
import { Stream } from "./stream.js";

/**
 * @typedef {object} Source
 * @property {string} encoding of what `blocks` gives: samples where `rateHz` is known, else bytes of a container
 * @property {number | null} rateHz
 * @property {"live" | "bulk"} priority bulk where it comes faster than it is spoken: those who speak go first
 * @property {() => AsyncGenerator<Float32Array | Uint8Array>} blocks
 * @property {() => void} stop ends `blocks`
 */

export class Session {
  #source;
  #stream = null;
  #hears;
  #over = false;

  /**
   * @param {Source} source
   * @param {{block: (samples: Float32Array) => void, message: (message: object) => void,
   *   lost: () => void, found: () => void}} hears what is sent, what comes back, and how the connection is
   */
  constructor(source, hears) {
    this.#source = source;
    this.#hears = hears;
  }

  /** What the server opened: session, model, limits. */
  get ready() {
    return this.#stream?.ready;
  }

  /**
   * Listen until the source ends or `stop` is called.
   *
   * @param {(options: object) => Promise<URL>} urlOf gives the stream's address
   * @param {object} options of the stream: model, denoise
   * @param {() => void} began called when sound starts to flow
   * @returns {Promise<object>} the server's `end` message
   * @throws StreamError, or what the source throws
   */
  async run(urlOf, options, began) {
    const { encoding, rateHz, priority } = this.#source;
    const format = rateHz ? { encoding, sample_rate: rateHz, channels: 1 } : { encoding };
    try {
      this.#stream = new Stream(() => urlOf({ ...format, priority, ...options }), rateHz, this.#hears);
      await this.#stream.open();
      began();
      // A stream that ends by itself ends the source as well.
      this.#stream.closed.catch(() => {}).then(() => this.stop());
      await this.#pump(rateHz);
      this.#stream.stop();
      return await this.#stream.closed;
    } finally {
      this.#source.stop();
      this.#stream?.abort();
    }
  }

  /** Change how it is heard from here on. */
  configure(options) {
    this.#stream?.configure(options);
  }

  /** No more sound; what was said is still answered. A second call does not wait for the answers. */
  stop() {
    if (this.#over) this.#stream?.abort();
    this.#over = true;
    this.#source.stop();
  }

  async #pump(rateHz) {
    for await (const block of this.#source.blocks()) {
      if (rateHz) this.#hears.block(block);
      await this.#stream.send(rateHz ? toPcm16(block) : block);
    }
  }
}
