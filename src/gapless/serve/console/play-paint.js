// Colours words without touching the document: the CSS Custom Highlight API, where the browser has it.

/** Which of two marks on one word is seen. */
const PRIORITIES = { sounding: 1, onset: 2, remark: 3, mistake: 4 };

export class Paint {
  #node;
  #able = "highlights" in CSS;
  /** @type {Map<string, Highlight>} */
  #highlights = new Map();

  /** @param {Text} node whose parts are painted */
  constructor(node) {
    this.#node = node;
  }

  /** Whether anything is seen of it. */
  get able() {
    return this.#able;
  }

  /**
   * Mark these words, and none else, by `::highlight(name)`.
   * @param {string} name
   * @param {[number, number][]} spans half open, in UTF-16 units
   */
  show(name, spans) {
    if (!this.#able) return;
    const highlight = this.#of(name);
    highlight.clear();
    for (const [startOffset, endOffset] of spans) {
      highlight.add(
        new StaticRange({ startContainer: this.#node, startOffset, endContainer: this.#node, endOffset }),
      );
    }
  }

  #of(name) {
    let highlight = this.#highlights.get(name);
    if (!highlight) {
      highlight = new Highlight();
      highlight.priority = PRIORITIES[name] ?? 0;
      this.#highlights.set(name, highlight);
      CSS.highlights.set(name, highlight);
    }
    return highlight;
  }
}
