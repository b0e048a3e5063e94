// One past transcript, opened: read it, take it along, delete it.

import { captionLine } from "./captions.js";
import { dayAndTime, shortTime } from "./clock.js";
import { byId } from "./dom.js";
import { saveFile } from "./formats.js";

const DELETE = "Delete";
const CONFIRM = "Delete for good?";

export class TranscriptDialog {
  #api;
  #deleted;
  #failed;
  #dialog = byId("transcript");
  #status = byId("transcript-status");
  #delete = byId("transcript-delete");
  #id = "";

  /**
   * @param {import("./api.js").Api} api
   * @param {() => void} deleted called when a transcript is gone
   * @param {(error: Error) => string} failed told of every failure; returns the sentence to show
   */
  constructor(api, deleted, failed) {
    this.#api = api;
    this.#deleted = deleted;
    this.#failed = failed;
    byId("transcript-close").addEventListener("click", () => this.#dialog.close());
    this.#delete.addEventListener("click", () => this.#tryTo(() => this.#confirmOrDelete()));
    this.#delete.addEventListener("blur", () => (this.#delete.textContent = DELETE));
    byId("transcript-actions").addEventListener("click", ({ target }) => {
      const format = target.dataset.action;
      if (format) this.#tryTo(() => this.#download(format));
    });
    // A click beside the dialog's box lands on the dialog itself.
    this.#dialog.addEventListener("click", ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
  }

  /** Show the transcript with this id. */
  async open(id) {
    this.#id = id;
    this.#status.textContent = "";
    this.#delete.textContent = DELETE;
    byId("transcript-facts").textContent = "";
    byId("transcript-lines").replaceChildren();
    this.#dialog.showModal();
    await this.#tryTo(async () => this.#show(await this.#api.transcript(id)));
  }

  #show({ session, utterances }) {
    byId("transcript-title").textContent = session.name ?? dayAndTime(session.started_at_ms);
    const facts = [shortTime(session.audio_ms), session.model, session.language, session.id];
    byId("transcript-facts").textContent = facts.filter(Boolean).join(" · ");
    byId("transcript-lines").replaceChildren(...utterances.map(captionLine));
    if (!utterances.length) this.#status.textContent = "No words were said.";
  }

  async #download(format) {
    saveFile(await this.#api.transcriptFile(this.#id, format), `${this.#id}.${format}`);
  }

  async #confirmOrDelete() {
    if (this.#delete.textContent !== CONFIRM) {
      this.#delete.textContent = CONFIRM;
      return;
    }
    await this.#api.deleteTranscript(this.#id);
    this.#dialog.close();
    this.#deleted();
  }

  async #tryTo(act) {
    try {
      await act();
    } catch (error) {
      this.#status.textContent = this.#failed(error);
    }
  }
}
