// The editor: a text field over the same text in colours. Browsers do the editing, undo and selection included.

import { Paint } from "./play-paint.js";
import { Edit, Source } from "./play-places.js";
import { syntaxOf } from "./play-syntax.js";

const INDENT = 2;
/** Earlier texts whose words are looked for: the program that plays, those that ring, one with a mistake. */
const MAX_EDITS = 16;

export class Editor {
  /** @type {Paint} */
  paint;
  #field;
  #shown;
  #gutter;
  #lines = 0;
  /** Esc was pressed: the next Tab leaves. */
  #released = false;
  /** How earlier texts became the present one. @type {Map<string, Edit>} */
  #edits = new Map();

  /**
   * @param {HTMLTextAreaElement} field
   * @param {HTMLElement} backdrop shows the text
   * @param {HTMLElement} gutter shows the numbers of the lines
   */
  constructor(field, backdrop, gutter) {
    this.#field = field;
    this.#gutter = gutter;
    this.#shown = document.createTextNode("");
    backdrop.replaceChildren(this.#shown);
    this.paint = new Paint(this.#shown);
    field.closest(".editor").toggleAttribute("data-painted", this.paint.able);
    field.addEventListener("input", () => this.#refresh());
    field.addEventListener("keydown", (event) => this.#press(event));
    field.addEventListener("blur", () => (this.#released = false));
    this.#refresh();
  }

  get text() {
    return this.#field.value;
  }

  /** Put another text in place of this one; the browser's undo brings the old one back. */
  replace(text) {
    this.#field.select();
    this.#insert(text);
    this.#field.setSelectionRange(0, 0);
  }

  /** The text as it was left; there is nothing to undo. */
  restore(text) {
    this.#field.value = text;
    this.#refresh();
  }

  focus() {
    this.#field.focus();
  }

  /** Where words of an earlier text are now; null where they were edited. */
  follow(earlier, span) {
    let edit = this.#edits.get(earlier);
    if (!edit) {
      edit = new Edit(earlier, this.text);
      if (this.#edits.size >= MAX_EDITS) this.#edits.clear();
      this.#edits.set(earlier, edit);
    }
    return edit.map(span);
  }

  /** Go there. @param {[number, number]} span */
  select([begin, end]) {
    this.#field.focus();
    this.#field.setSelectionRange(begin, end);
    const before = new Source(this.text.slice(0, begin));
    const lineHeight = parseFloat(getComputedStyle(this.#field).lineHeight);
    const scroller = this.#field.closest(".editor");
    const top = (before.lines - 1) * lineHeight;
    if (top < scroller.scrollTop || top > scroller.scrollTop + scroller.clientHeight - 3 * lineHeight) {
      scroller.scrollTop = top - scroller.clientHeight / 3;
    }
  }

  #refresh() {
    const { text } = this;
    this.#edits.clear();
    // A line break at the end makes no line of its own, unless something comes after it.
    this.#shown.data = `${text}\n`;
    for (const [kind, spans] of syntaxOf(text)) this.paint.show(kind, spans);
    const { lines } = new Source(text);
    if (lines !== this.#lines) {
      this.#lines = lines;
      this.#gutter.textContent = Array.from({ length: lines }, (_, i) => i + 1).join("\n");
    }
  }

  #press(event) {
    const { key } = event;
    const released = this.#released;
    this.#released = key === "Escape" || (released && key === "Shift");
    const command = event.ctrlKey || event.metaKey;
    if (key === "Tab" && !event.shiftKey && !command && !released) {
      event.preventDefault();
      this.#insert(" ".repeat(INDENT - (this.#column() % INDENT)));
    } else if (key === "Enter" && !command && !event.isComposing) {
      const indent = /^ */.exec(this.text.slice(this.#lineStart(this.#field.selectionStart)))[0];
      const kept = indent.slice(0, this.#column());
      if (!kept) return;
      event.preventDefault();
      this.#insert(`\n${kept}`);
    } else if (key === "/" && command) {
      event.preventDefault();
      this.#toggleComment();
    }
  }

  #lineStart(offset) {
    return this.text.lastIndexOf("\n", offset - 1) + 1;
  }

  #column() {
    return this.#field.selectionStart - this.#lineStart(this.#field.selectionStart);
  }

  /** Comment out the lines of the selection, or take the comments away if all of them are. */
  #toggleComment() {
    const { selectionStart, selectionEnd } = this.#field;
    const begin = this.#lineStart(selectionStart);
    const found = this.text.indexOf("\n", Math.max(selectionEnd - (selectionEnd > selectionStart), begin));
    const end = found < 0 ? this.text.length : found;
    const lines = this.text.slice(begin, end).split("\n");
    const all = lines.every((line) => /^\s*(--|$)/.test(line));
    const changed = lines.map((line) => (all ? line.replace(/^(\s*)-- ?/, "$1") : line && `-- ${line}`)).join("\n");
    this.#field.setSelectionRange(begin, end);
    this.#insert(changed);
    const alone = selectionStart === selectionEnd;
    const shift = changed.length - (end - begin);
    const caret = Math.max(begin, selectionStart + shift);
    this.#field.setSelectionRange(alone ? caret : begin, alone ? caret : begin + changed.length);
  }

  /** As if it had been typed, so that it can be undone. */
  #insert(text) {
    this.#field.focus();
    const begin = this.#field.selectionStart;
    // Marked as deprecated, and there is still nothing else that keeps the history of a text field.
    const done = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (done) return;
    this.#field.setRangeText(text, begin, this.#field.selectionEnd, "end");
    this.#refresh();
  }
}
