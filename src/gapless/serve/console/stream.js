// A client of the native stream (`GET /v1/stream`): audio goes out, events come in, and a lost connection is taken up
// again where it broke.

import { KeptAudio } from "./kept.js";

/** Bytes that may wait in the socket before the sender holds back. */
const FULL_BYTES = 256 * 1024;
/** The browser has no event for a socket that drained, so a full one is looked at this often. */
const LOOK_MS = 20;
/** Pauses before the attempts to come back; the server waits for about half a minute. */
const PAUSES_MS = [0, 500, 1000, 2000, 4000, 8000];
/** Close codes after which there is nothing to come back to. */
const FINAL_CODES = new Set([1000, 1003, 1008, 1009, 1011, 1012, 1013]);
const CLOSE_NORMAL = 1000;
const KEPT = "What was said up to here is kept; start again to go on.";

/** A stream that was refused, or ended before it was asked to. */
export class StreamError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Stream {
  /** What the server said first: session, model, limits, and the token to come back with. */
  ready = null;
  /** The server's last word, with the reason and the transcript's id. */
  end = null;
  #urlOf;
  #tell;
  #socket = null;
  #kept;
  #opened = Promise.withResolvers();
  #closed = Promise.withResolvers();
  #lastError = null;
  #lastSeq = 0;
  #stopping = false;
  #aborted = false;
  /** Attempts to come back since the connection was lost; 0 while it holds. */
  #attempts = 0;

  /**
   * @param {() => Promise<URL>} urlOf gives an address, good for one connection
   * @param {number | null} rateHz of 16-bit mono audio; null where bytes are not samples, and cannot be sent again
   * @param {{message: (message: object) => void, lost: () => void, found: () => void}} tell
   *   `message` is called with every message but `ready`
   */
  constructor(urlOf, rateHz, tell) {
    this.#urlOf = urlOf;
    this.#tell = tell;
    this.#kept = rateHz ? new KeptAudio(rateHz) : null;
    // Whoever does not wait for the end must not see an unhandled rejection.
    this.#closed.promise.catch(() => {});
  }

  /** Connect. Resolves when the server is ready for audio; rejects with StreamError where it refuses. */
  async open() {
    await this.#connect();
    await this.#opened.promise;
  }

  /** Resolves with the `end` message after a proper end; rejects with StreamError after any other. */
  get closed() {
    return this.#closed.promise;
  }

  /** Send audio; waits while the socket is full. While the connection is lost, audio is kept for later. */
  async send(bytes) {
    this.#kept?.push(bytes);
    if (this.#attached) this.#socket.send(bytes);
    while (this.#attached && this.#socket.bufferedAmount > FULL_BYTES) await pause(LOOK_MS);
  }

  /** Change how the stream is heard from here on. */
  configure(options) {
    this.#say({ type: "configure", ...options });
  }

  /** No more audio: the server makes final what it has, then closes. */
  stop() {
    this.#stopping = true;
    this.#say({ type: "stop" });
  }

  /** Close without waiting for what is still being recognised. */
  abort() {
    this.#aborted = true;
    this.#socket?.close(CLOSE_NORMAL);
  }

  /** Whether the socket carries our session: not while it is lost, nor before it was taken up again. */
  get #attached() {
    return this.ready !== null && this.#attempts === 0 && this.#socket.readyState === WebSocket.OPEN;
  }

  #say(message) {
    if (this.#attached) this.#socket.send(JSON.stringify(message));
  }

  async #connect() {
    const socket = new WebSocket(await this.#urlOf(), "voice.v1");
    socket.addEventListener("message", (event) => this.#receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => this.#lose(event));
    if (this.ready) socket.addEventListener("open", () => this.#askForSession(socket));
    this.#socket = socket;
  }

  #receive(message) {
    if (message.type === "ready") {
      this.#receiveReady(message);
      return;
    }
    this.#lastError = message.type === "error" ? message : null;
    // A fresh connection begins with a session of its own, which is given up for ours.
    if (message.session !== this.ready?.session) return;
    this.#lastSeq = message.seq;
    if (message.type === "progress") this.#kept?.confirm(message.received_ms);
    if (message.type === "end") this.end = message;
    this.#tell.message(message);
  }

  #receiveReady(message) {
    if (!this.ready) {
      this.ready = message;
      this.#opened.resolve();
    } else if (message.session === this.ready.session && this.#attempts > 0) {
      this.#attempts = 0;
      for (const block of this.#kept.blocks) this.#socket.send(block);
      if (this.#stopping) this.stop();
      this.#tell.found();
    }
  }

  #askForSession(socket) {
    const { session, resume_token: token } = this.ready;
    const wish = { session, token, next_sample: this.#kept.start, last_seq: this.#lastSeq };
    socket.send(JSON.stringify({ type: "resume", ...wish }));
  }

  async #lose({ code, reason }) {
    const said = this.#lastError?.message ?? (reason || null);
    if (!this.ready) {
      this.#opened.reject(new StreamError("refused", said ?? "The server refused the stream."));
    } else if (this.end && code === CLOSE_NORMAL) {
      this.#closed.resolve(this.end);
    } else if (!this.#kept || FINAL_CODES.has(code) || !(await this.#comeBack())) {
      const event = this.end ? "The server is stopping." : "The connection was lost.";
      this.#closed.reject(new StreamError("lost", said ?? `${event} ${KEPT}`));
    }
  }

  /** Connect again; false if that is hopeless. A connection that fails later comes back here. */
  async #comeBack() {
    if (this.#attempts === 0) this.#tell.lost();
    while (this.#attempts < PAUSES_MS.length) {
      await pause(PAUSES_MS[this.#attempts++]);
      if (this.#aborted) return false;
      try {
        await this.#connect();
        return true;
      } catch {
        // No address to be had while the server is out of reach: try again after the next pause.
      }
    }
    return false;
  }
}

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
