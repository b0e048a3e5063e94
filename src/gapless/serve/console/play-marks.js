// Marks the words of a program while what they made sounds.

import { Source } from "./play-places.js";

/** Events kept: told ahead of their sound, and forgotten when it is over. */
const MAX_EVENTS = 4096;
/** For so long a word is marked as beginning. */
const ONSET_SECONDS = 0.09;

export class Marks {
  #editor;
  #rateHz = 48_000;
  /** The program whose events come in. @type {Source} */
  #source = new Source("");
  /** @type {{output: string, begin: number, end: number, source: Source, spans: [number, number][]}[]} */
  #events = [];
  #shown = "";

  /** @param {import("./play-editor.js").Editor} editor */
  constructor(editor) {
    this.#editor = editor;
  }

  /** Begin anew. */
  reset(rateHz) {
    this.#rateHz = rateHz;
    this.#events = [];
    this.draw(0);
  }

  /** From now on events are told of this program; what has begun goes on. */
  program(text) {
    this.#source = new Source(text);
  }

  /** Nothing sounds from this sample on. */
  hush(sample) {
    for (const event of this.#events) event.end = Math.min(event.end, sample);
  }

  /** What is going to sound. */
  push(events) {
    const source = this.#source;
    for (const { output, begin, end, places } of events) {
      const spans = places.map((place) => source.span(...place)).filter(Boolean);
      this.#events.push({ output, begin, end, source, spans });
    }
    this.#events.splice(0, Math.max(0, this.#events.length - MAX_EVENTS));
  }

  /**
   * Paint what sounds. @param {number} heard the sample that is heard now
   * @returns {Set<string>} outputs on which something has just begun
   */
  draw(heard) {
    const sounding = new Map();
    const beginning = new Map();
    const outputs = new Set();
    this.#events = this.#events.filter(({ end }) => end > heard);
    for (const { output, begin, source, spans } of this.#events) {
      if (begin > heard) continue;
      const fresh = heard - begin < ONSET_SECONDS * this.#rateHz;
      if (fresh) outputs.add(output);
      for (const span of spans) {
        const now = this.#editor.follow(source.text, span);
        if (!now) continue;
        sounding.set(now.join(), now);
        if (fresh) beginning.set(now.join(), now);
      }
    }
    this.#paint(sounding, beginning);
    return outputs;
  }

  #paint(sounding, beginning) {
    // Most frames are like the one before: nothing is told to the browser then.
    const key = `${[...sounding.keys()].sort().join(" ")};${[...beginning.keys()].sort().join(" ")}`;
    if (key === this.#shown) return;
    this.#shown = key;
    this.#editor.paint.show("sounding", [...sounding.values()]);
    this.#editor.paint.show("onset", [...beginning.values()]);
  }
}
