// What the server thinks of a program: a sentence below the editor, a mistake underlined where it is, remarks listed.

import { element } from "./dom.js";
import { Source } from "./play-places.js";
import { sentence } from "./play-sentence.js";

/** Remarks that are listed; a program that earns more has been told enough. */
const MAX_REMARKS = 20;
/** An answer that takes longer than this is announced. */
const SLOW_MS = 400;

export class Verdict {
  #root;
  #list;
  #editor;
  #slow = 0;
  /** @type {{text: string, span: [number, number]} | null} of the program that has the mistake */
  #mistake = null;
  /** @type {{said: string, text: string, span: [number, number] | null}[]} */
  #remarks = [];

  /**
   * @param {HTMLElement} root a live region
   * @param {HTMLElement} list
   * @param {import("./play-editor.js").Editor} editor
   */
  constructor(root, list, editor) {
    this.#root = root;
    this.#list = list;
    this.#editor = editor;
  }

  /** Nothing to say. */
  clear() {
    this.#say("none");
    this.#mistake = null;
    this.#remarks = [];
    this.#listRemarks();
    this.follow();
  }

  /** A program is on its way. */
  wait() {
    clearTimeout(this.#slow);
    this.#slow = setTimeout(() => this.#say("wait", "The server is preparing the sounds…"), SLOW_MS);
  }

  /** This program plays; null: none does. */
  good({ cycle, outputs, remarks }, text) {
    this.#mistake = null;
    this.#remarks = (text === null ? [] : remarks).slice(0, MAX_REMARKS).map((remark) => about(remark, text));
    this.#listRemarks();
    if (text === null) this.#say("good", "Hushed. Update plays the program from its beginning.");
    else if (!outputs.length) this.#say("good", "This program has no output yet: write one, o1: s \"bd*4\" for example.");
    else this.#say("good", `Plays from cycle ${cycle.toFixed(2).replace(/\.?0+$/, "")} on.`);
    this.follow();
  }

  /** This program cannot be played. */
  mistake({ message, line, column, length }, text) {
    this.#mistake = line ? about({ text: message, line, column, length }, text) : null;
    const place = line ? [this.#jump(`Line ${line}, column ${column}`, this.#mistake), " "] : [];
    this.#say("mistake", ...place, sentence(message));
    this.follow();
  }

  /** Something came up while a program played. */
  remark(remark, text) {
    if (this.#remarks.length >= MAX_REMARKS) return;
    this.#remarks.push(about(remark, text));
    this.#listRemarks();
    this.follow();
  }

  /** The text was edited: underlines follow their words. */
  follow() {
    this.#editor.paint.show("mistake", this.#now([this.#mistake]));
    this.#editor.paint.show("remark", this.#now(this.#remarks));
  }

  #now(things) {
    return things
      .filter((thing) => thing?.span)
      .map(({ text, span }) => this.#editor.follow(text, span))
      .filter(Boolean);
  }

  #say(state, ...children) {
    clearTimeout(this.#slow);
    this.#root.dataset.state = state;
    this.#root.replaceChildren(...(children.length ? [element("p", {}, ...children)] : []));
  }

  #listRemarks() {
    this.#list.replaceChildren(
      ...this.#remarks.map((remark) =>
        element("li", {}, ...(remark.span ? [this.#jump(`Line ${remark.line}`, remark), " "] : []), sentence(remark.said)),
      ),
    );
  }

  /** A button that goes where a thing is. */
  #jump(label, thing) {
    const button = element("button", { type: "button", class: "jump" }, label);
    button.addEventListener("click", () => {
      const now = thing.span && this.#editor.follow(thing.text, thing.span);
      if (now) this.#editor.select(now);
      else this.#editor.focus();
    });
    return button;
  }
}

/** A thing said about a place in a text. */
function about({ text: said, line, column, length }, text) {
  const span = line ? new Source(text).span(line, column, length) : null;
  return { said, line, text, span: span && widened(span, text) };
}

/** At the end of a line there is nothing to underline: what stands before it is, then. */
function widened([begin, end], text) {
  if (begin < end || !begin) return [begin, end];
  return text[begin] && text[begin] !== "\n" ? [begin, begin + 1] : [begin - 1, begin];
}
