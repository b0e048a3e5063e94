// Past transcripts: the newest, or those in which the words were said.

import { dayAndTime, shortTime } from "./clock.js";
import { cutRanges } from "./codepoints.js";
import { byId, element } from "./dom.js";

/** The search begins when the typing pauses. */
const TYPING_MS = 180;

export class Search {
  #api;
  #open;
  #failed;
  #field = byId("search");
  #results = byId("results");
  #status = byId("search-status");
  #older = byId("older");
  #cursor = null;
  #running = new AbortController();
  #typing = 0;

  /**
   * @param {import("./api.js").Api} api
   * @param {(id: string) => void} open called with the transcript that was chosen
   * @param {(error: Error) => string} failed told of every failure; returns the sentence to show
   */
  constructor(api, open, failed) {
    this.#api = api;
    this.#open = open;
    this.#failed = failed;
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.refresh();
    });
    this.#field.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.refresh(), TYPING_MS);
    });
    this.#older.addEventListener("click", () => this.#show(this.#cursor));
  }

  /** Put the cursor into the field. */
  focus() {
    this.#field.focus();
    this.#field.select();
  }

  /** Empty the field; false if it was empty already. */
  clear() {
    if (!this.#field.value) return false;
    this.#field.value = "";
    this.refresh();
    return true;
  }

  /** Ask again for what the field says. */
  async refresh() {
    clearTimeout(this.#typing);
    await this.#show(null);
  }

  async #show(cursor) {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    const words = this.#field.value.trim();
    try {
      const page = await this.#api.transcripts({ words, cursor, signal });
      if (signal.aborted) return;
      const rows = page.items.map((item) => this.#row(item));
      if (cursor) this.#results.append(...rows);
      else this.#results.replaceChildren(...rows);
      this.#cursor = page.next_cursor;
      this.#status.textContent = this.#summary(words);
      this.#older.hidden = !this.#cursor;
    } catch (error) {
      // A newer search has taken over.
      if (signal.aborted) return;
      this.#results.replaceChildren();
      this.#older.hidden = true;
      this.#status.textContent = this.#failed(error);
    }
  }

  #summary(words) {
    const found = this.#results.childElementCount;
    if (!found) {
      return words
        ? `Nobody said “${words}”. Try fewer words, or the beginning of one.`
        : "Nothing here yet. What you say is kept and can be found again.";
    }
    if (!words) return "";
    const more = this.#cursor ? "More than " : "";
    return `${more}${found} ${found === 1 ? "transcript" : "transcripts"} with “${words}”`;
  }

  #row({ session, preview, hits }) {
    const facts = element(
      "span",
      { class: "facts" },
      element("span", {}, dayAndTime(session.started_at_ms)),
      element("span", {}, shortTime(session.audio_ms)),
    );
    const button = element("button", { type: "button", class: "result" }, facts);
    if (session.name) button.append(element("span", { class: "name" }, session.name));
    if (hits.length) button.append(...hits.map(hitElement));
    else button.append(element("span", { class: "preview" }, preview || "no words"));
    button.addEventListener("click", () => this.#open(session.id));
    return element("li", {}, button);
  }
}

function hitElement({ start_ms: startMs, text, highlights }) {
  const parts = cutRanges(text, highlights).map((part) =>
    part.marked ? element("mark", {}, part.text) : part.text,
  );
  return element("span", { class: "hit" }, element("time", {}, shortTime(startMs)), element("span", {}, ...parts));
}
