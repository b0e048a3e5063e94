// One session of playing, from the first press to the last sound: a connection, a loudspeaker, and who is told.

import { Link } from "./play-link.js";

export class Session {
  #speaker;
  #hears;
  #link = null;
  #stopped = Promise.withResolvers();
  #over = false;

  /**
   * @param {import("./play-speaker.js").Speaker} speaker
   * @param {(message: object) => void} hears what the server says
   */
  constructor(speaker, hears) {
    this.#speaker = speaker;
    this.#hears = hears;
  }

  /**
   * Play until `stop` is called.
   *
   * @param {(options: object) => Promise<URL>} urlOf gives the address for a rate and a buffer
   * @param {number} bufferMs the server keeps filled
   * @param {() => void} began called when the server is ready for programs
   * @throws LinkError, ApiError, or what the browser says about its sound
   */
  async run(urlOf, bufferMs, began) {
    try {
      await this.#speaker.open(bufferMs);
      const url = await urlOf({ rate: this.#speaker.rateHz, buffer_ms: bufferMs });
      if (this.#over) return;
      this.#link = new Link(url, { sound: (block) => this.#speaker.push(block), message: this.#hears });
      await Promise.race([this.#link.ready, this.#stopped.promise]);
      if (this.#over) return;
      began();
      this.#link.heard(0);
      await Promise.race([this.#link.closed, this.#stopped.promise]);
    } finally {
      this.#link?.stop();
      await this.#speaker.close();
    }
  }

  /** Play this program from now on. @returns {string} the id by which the server answers */
  set(text) {
    return this.#link.set(text);
  }

  /** All outputs silent, until the next program. */
  hush() {
    this.#link?.hush();
  }

  /** The audio thread has taken so many samples. */
  consumed(sample) {
    this.#link?.heard(sample);
  }

  /** Come to an end: `run` returns. */
  stop() {
    this.#over = true;
    this.#link?.stop();
    this.#stopped.resolve();
  }

  /** Come to an end because of this: `run` throws it. */
  fail(error) {
    this.#stopped.reject(error);
  }
}
