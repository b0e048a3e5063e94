// Places in a program: the server says lines and columns of the text that it plays, the page needs offsets in the text
// as it has been edited since.

import { splitAt } from "./codepoints.js";

/** A text with the beginnings of its lines. */
export class Source {
  #starts = [0];

  /** @param {string} text */
  constructor(text) {
    this.text = text;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#starts.push(at + 1);
  }

  get lines() {
    return this.#starts.length;
  }

  /**
   * Where a place is, half open, in UTF-16 units; null where there is no such place.
   * @param {number} line from 1
   * @param {number} column from 1, in code points, as is `length`
   * @returns {[number, number] | null}
   */
  span(line, column, length) {
    const start = this.#starts[line - 1];
    if (start === undefined) return null;
    const rest = this.text.slice(start);
    const begin = splitAt(rest, column - 1)[0].length;
    const end = splitAt(rest.slice(begin), length)[0].length;
    return [start + begin, start + begin + end];
  }
}

/** What became of the places of one text in another, that was made of it by editing one part. */
export class Edit {
  #prefix = 0;
  #suffixStart;
  #shift;

  /** @param {string} before @param {string} after */
  constructor(before, after) {
    const shorter = Math.min(before.length, after.length);
    while (this.#prefix < shorter && before[this.#prefix] === after[this.#prefix]) this.#prefix++;
    let suffix = 0;
    while (suffix < shorter - this.#prefix && before.at(-1 - suffix) === after.at(-1 - suffix)) suffix++;
    this.#suffixStart = before.length - suffix;
    this.#shift = after.length - before.length;
  }

  /** The same words in the edited text; null where they were edited. @param {[number, number]} span */
  map([begin, end]) {
    if (end <= this.#prefix) return [begin, end];
    if (begin >= this.#suffixStart) return [begin + this.#shift, end + this.#shift];
    return null;
  }
}
