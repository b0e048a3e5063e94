// What is being said: finals as a growing log, and under it the words that may still change.

import { splitAt } from "./codepoints.js";
import { shortTime } from "./clock.js";
import { byId, element } from "./dom.js";

/** Lines kept on the page; older ones are still in the files and on the server. */
const MAX_LINES = 400;
/** Utterances kept for copying: a day of talk. */
const MAX_KEPT = 20_000;
/** Scrolled up by more than this, the visitor is reading: do not pull the page away. */
const FOLLOW_PX = 60;

/**
 * One utterance as a line: when, and what, each word as sure as the recogniser was.
 * @param {{start_ms: number, text: string, words?: {text: string, confidence: number | null}[]}} utterance
 */
export function captionLine({ start_ms: startMs, text, words = [] }) {
  const time = element("time", { class: "when" }, shortTime(startMs));
  const said = element("p", { class: "said" });
  const spelled = words.map((word) => word.text).join(" ");
  // Words that do not add up to the text (punctuation, scripts without spaces) are not worth a guess.
  if (spelled === text) said.append(...words.flatMap(wordElement));
  else said.append(text);
  return element("li", {}, time, said);
}

function wordElement(word, index) {
  const gap = index ? [" "] : [];
  if (word.confidence == null) return [...gap, word.text];
  const percent = Math.round(word.confidence * 100);
  const span = element("span", { class: "word", title: `${percent} % sure` }, word.text);
  span.style.setProperty("--sure", `${percent}%`);
  return [...gap, span];
}

export class Captions {
  /** Finals of this stream, in order. */
  utterances = [];
  #finals = byId("finals");
  #pending = byId("pending");
  #scroll = byId("captions-scroll");
  #empty = byId("captions-empty");
  /** Lines of utterances that have no final yet, by utterance. @type {Map<string, HTMLElement>} */
  #open = new Map();

  /** Forget everything: a new stream begins. */
  reset() {
    this.utterances = [];
    this.#finals.replaceChildren();
    this.finish();
  }

  speechStart(utt, atMs) {
    this.#following(() => {
      const said = element("p", { class: "said" }, element("span", { class: "dots" }, "…"));
      const line = element("div", { class: "live" }, element("time", { class: "when" }, shortTime(atMs)), said);
      this.#open.set(utt, line);
      this.#pending.append(line);
    });
  }

  partial(utt, text, stableChars) {
    const line = this.#open.get(utt);
    if (!line || !text) return;
    this.#following(() => {
      const [stable, tentative] = splitAt(text, stableChars);
      line.lastChild.replaceChildren(
        element("span", { class: "stable" }, stable),
        element("span", { class: "tentative" }, tentative),
      );
    });
  }

  /** The utterance held no words. */
  empty(utt) {
    this.#following(() => this.#drop(utt));
  }

  final(utterance) {
    this.#following(() => {
      this.#drop(utterance.utt);
      if (!utterance.text) return;
      this.utterances.push(utterance);
      if (this.utterances.length > MAX_KEPT) this.utterances.shift();
      this.#finals.append(captionLine(utterance));
      if (this.#finals.childElementCount > MAX_LINES) this.#finals.firstChild.remove();
    });
  }

  /** The stream is over: what has no final by now held no words. */
  finish() {
    this.#open.clear();
    this.#pending.replaceChildren();
    this.#empty.hidden = this.utterances.length > 0;
  }

  /** Utterances become final in order, so those before this one held no words. */
  #drop(utt) {
    for (const [open, line] of this.#open) {
      this.#open.delete(open);
      line.remove();
      if (open === utt) break;
    }
  }

  /** Change the captions and stay at their end, unless the visitor has scrolled away from it. */
  #following(change) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    const follow = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
    change();
    this.#empty.hidden = this.utterances.length + this.#open.size > 0;
    if (follow) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}
