// How the page stands with the server: connected or not, the key where one is asked for, and what went wrong.

import { ApiError } from "./api.js";
import { byId } from "./dom.js";
import { sentence } from "./play-sentence.js";

export class Door {
  #api;

  /**
   * @param {import("./api.js").Api} api
   * @param {() => void} entered called when a key was accepted
   */
  constructor(api, entered) {
    this.#api = api;
    byId("notice-close").addEventListener("click", () => this.hideNotice());
    byId("key-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      this.#api.key = byId("key").value.trim();
      byId("key").value = "";
      byId("key-form").hidden = true;
      this.hideNotice();
      await this.connect();
      if (byId("key-form").hidden) entered();
      else byId("key").focus();
    });
  }

  /** Show how it stands: wait, ready, live or down. */
  show(state, words) {
    byId("connection").dataset.state = state;
    byId("connection").textContent = words;
  }

  /** Ask the server whether this page may come in. */
  async connect() {
    try {
      // The least that needs the key.
      await this.#api.models();
      this.show("ready", "ready");
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** A session did not begin, or ended before it was asked to. */
  async explain(error) {
    if (error instanceof ApiError) {
      this.#refuse(error);
      return;
    }
    this.show(error.code === "lost" ? "down" : "ready", error.code === "lost" ? "disconnected" : "ready");
    // A browser does not tell pages why an upgrade was refused; a request of the usual kind is told.
    if (error.code === "refused") await this.connect();
    if (byId("connection").dataset.state === "ready" || error.code === "lost") this.notify(error.message, true);
  }

  /** @param {boolean} again whether to offer to play again */
  notify(message, again = false) {
    byId("notice-text").textContent = sentence(message);
    byId("again").hidden = !again;
    byId("notice").hidden = false;
  }

  hideNotice() {
    byId("notice").hidden = true;
  }

  #refuse(error) {
    if (error.status === 401) {
      if (this.#api.key) byId("key-help").textContent = "The server does not know this key. Try another one.";
      this.#api.key = null;
      byId("key-form").hidden = false;
      this.show("down", "needs a key");
    } else {
      this.show("down", error.status ? "not ready" : "no server");
      this.notify(error.message, true);
    }
  }
}
