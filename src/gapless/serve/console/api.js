// The server's HTTP interface, with the key where one is asked for.

const KEY = "gapless.key";

/** A request that the server answered with an error, or did not answer at all (status 0). */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  /** @param {string} base address of the page; everything else is found from there */
  constructor(base) {
    this.base = base;
  }

  /** The key lives in this tab only. */
  set key(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  }

  get key() {
    return sessionStorage.getItem(KEY);
  }

  /** The recognisers that are here, the default first. */
  async models() {
    return (await (await this.#ask("v1/models")).json()).data;
  }

  /** Whether the server is up and able to listen; throws with the reason where it is not. */
  async ready() {
    await this.#ask("health/ready");
  }

  /** How the server does: targets, streams, models, caches; over the last minute. */
  async status() {
    return (await this.#ask("v1/status")).json();
  }

  /** The last hour, or what is newer than a moment. @param {number | null} sinceMs */
  async history(sinceMs) {
    const query = sinceMs === null ? "" : `?since_ms=${sinceMs}`;
    return (await this.#ask(`v1/status/history${query}`)).json();
  }

  /**
   * One page of transcripts, newest first; with `words`, those in which they were said.
   * @param {{words?: string, cursor?: string | null, signal?: AbortSignal}} query
   */
  async transcripts({ words = "", cursor = null, signal }) {
    const query = new URLSearchParams();
    if (words) query.set("q", words);
    if (cursor) query.set("cursor", cursor);
    return (await this.#ask(`v1/transcripts?${query}`, { signal })).json();
  }

  /** A transcript with all its utterances. */
  async transcript(id) {
    return (await this.#ask(`v1/transcripts/${encodeURIComponent(id)}`)).json();
  }

  /** A transcript as a file: json, txt, srt or vtt. */
  async transcriptFile(id, format) {
    return (await this.#ask(`v1/transcripts/${encodeURIComponent(id)}?format=${format}`)).blob();
  }

  /** Forget a transcript for good. */
  async deleteTranscript(id) {
    await this.#ask(`v1/transcripts/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /**
   * The address of a new live stream. Browsers cannot send headers with a WebSocket, so the key is
   * changed for a ticket that is good for one connection.
   */
  async streamUrl(options) {
    const url = new URL("v1/stream", this.base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    for (const [name, value] of Object.entries(options)) url.searchParams.set(name, String(value));
    if (this.key) {
      const ticket = await (await this.#ask("v1/tickets", { method: "POST" })).json();
      url.searchParams.set("token", ticket.token);
    }
    return url;
  }

  async #ask(path, options = {}) {
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    let response;
    try {
      response = await fetch(new URL(path, this.base), { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "unreachable", "The server does not answer. Is it still running?");
    }
    if (!response.ok) throw await problem(response);
    return response;
  }
}

async function problem(response) {
  const body = await response.json().catch(() => null);
  const error = body?.error;
  // `/health/ready` answers with reasons instead.
  const reasons = body?.reasons && `The server is not ready: ${body.reasons.join(", ")}.`;
  const message = error?.message ?? reasons ?? `The server answered with status ${response.status}.`;
  return new ApiError(response.status, error?.code ?? "http_error", message);
}
