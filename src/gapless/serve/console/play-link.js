// A client of `GET /v1/play`: programs go out, sound and events come in.

const SUBPROTOCOL = "play.v1";
const CLOSE_NORMAL = 1000;
/** Close codes of a server that has no room or stops. */
const CLOSE_RESTARTING = 1012;
const CLOSE_TRY_LATER = 1013;

/**
 * The address to play at. A ticket that is good for one kind of connection is good for all.
 * @param {import("./api.js").Api} api
 * @param {object} options of the player: rate, buffer_ms
 */
export async function playUrl(api, options) {
  const stream = await api.streamUrl(options);
  return new URL(`play${stream.search}`, stream);
}

/** A connection that was refused ("refused"), or ended before it was asked to ("lost"). */
export class LinkError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Link {
  #socket;
  #tell;
  #ready = Promise.withResolvers();
  #closed = Promise.withResolvers();
  #isReady = false;
  #over = false;
  #lastError = null;
  #lastId = 0;

  /**
   * @param {URL} url with a ticket where one is needed
   * @param {{sound: (block: ArrayBuffer) => void, message: (message: object) => void}} tell
   */
  constructor(url, tell) {
    this.#tell = tell;
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", (event) => this.#close(event));
    // Whoever does not wait for the end must not see an unhandled rejection.
    this.#closed.promise.catch(() => {});
  }

  /** Resolves when the server is ready; rejects with LinkError where it refuses. */
  get ready() {
    return this.#ready.promise;
  }

  /** Resolves after `stop`; rejects with LinkError after any other end. */
  get closed() {
    return this.#closed.promise;
  }

  /** Play this program from now on. @returns {string} the id by which the server answers */
  set(text) {
    const id = String(++this.#lastId);
    this.#say({ type: "set", id, text });
    return id;
  }

  /** All outputs silent, until the next program. */
  hush() {
    this.#say({ type: "hush", id: String(++this.#lastId) });
  }

  /** So many samples were taken: the server makes those that come after. */
  heard(sample) {
    this.#say({ type: "heard", sample });
  }

  /** No more sound. */
  stop() {
    if (this.#over) return;
    this.#over = true;
    this.#say({ type: "stop" });
    this.#socket.close(CLOSE_NORMAL);
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #receive(data) {
    if (this.#over) return;
    if (data instanceof ArrayBuffer) {
      this.#tell.sound(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "ready") {
      this.#isReady = true;
      this.#ready.resolve(message);
    } else if (message.type === "error" && message.fatal) {
      this.#lastError = message;
    } else {
      this.#tell.message(message);
    }
  }

  #close({ code, reason }) {
    const said = this.#lastError?.message || reason;
    const lost = this.#isReady && code !== CLOSE_TRY_LATER;
    if (this.#over) this.#closed.resolve();
    else if (lost) this.#closed.reject(new LinkError("lost", said || END[code] || END.other));
    else this.#closed.reject(new LinkError("refused", said || REFUSED));
    this.#closed.promise.catch((error) => this.#ready.reject(error));
    this.#over = true;
  }
}

const END = {
  [CLOSE_RESTARTING]: "The server is stopping. Play again when it is back.",
  other: "The connection to the server was lost. Play again when it is back.",
};

// A browser does not show pages why an upgrade was refused; with the right key and a server that runs it is this.
const REFUSED =
  "The server has no room for one more player. Try again when somebody stops, or raise its max_players.";
