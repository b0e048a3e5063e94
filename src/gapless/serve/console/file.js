// A recording as a source of blocks: decoded here where that is reasonable, sent as it is where not.

import { BLOCK_SECONDS, MAX_RATE_HZ } from "./pcm.js";

/** Longer recordings are not decoded in the page: 15 minutes of stereo take 330 MB. */
const MAX_DECODED_SECONDS = 15 * 60;
const CHUNK_BYTES = 64 * 1024;

/** A recording that cannot be sent, and what to do about it. */
export class FileError extends Error {}

/**
 * Open a recording.
 *
 * @param {Blob} file
 * @param {{fast: boolean, audible: boolean}} pace `fast` sends as quickly as the server takes it,
 *   otherwise the pace is that of the recording, and `audible` plays it meanwhile
 */
export async function openFile(file, pace) {
  if (file.size === 0) throw new FileError("This file is empty. Choose another one.");
  const seconds = await probeSeconds(file);
  if (seconds <= MAX_DECODED_SECONDS) {
    const decoded = await decode(file);
    if (decoded) return new DecodedFile(decoded, pace);
  }
  // What the browser cannot play the server may still know; it says so where not.
  return new UndecodedFile(file);
}

/** The length that the file's header states; infinite where there is none to be had. */
function probeSeconds(file) {
  const { promise, resolve } = Promise.withResolvers();
  const url = URL.createObjectURL(file);
  const player = new Audio();
  player.preload = "metadata";
  player.addEventListener("loadedmetadata", () => resolve(player.duration));
  player.addEventListener("error", () => resolve(Infinity));
  player.src = url;
  return promise.finally(() => {
    player.removeAttribute("src");
    URL.revokeObjectURL(url);
  });
}

/** The recording as an AudioBuffer; null where the browser does not know the format. */
async function decode(file) {
  const bytes = await file.arrayBuffer();
  try {
    return await new OfflineAudioContext(1, 1, MAX_RATE_HZ).decodeAudioData(bytes);
  } catch {
    return null;
  }
}

class DecodedFile {
  encoding = "pcm_s16le";
  rateHz = MAX_RATE_HZ;
  #buffer;
  #fast;
  #player = null;
  #stopped = false;
  #wake = () => {};

  constructor(buffer, { fast, audible }) {
    this.#buffer = buffer;
    this.#fast = fast;
    this.priority = fast ? "bulk" : "live";
    if (audible && !fast) this.#player = new AudioContext();
  }

  /** The recording's blocks, mixed down; at its own pace unless told otherwise. */
  async *blocks() {
    const size = Math.round(this.rateHz * BLOCK_SECONDS);
    this.#play();
    const begun = performance.now();
    for (let start = 0; start < this.#buffer.length && !this.#stopped; start += size) {
      const block = this.#mix(start, Math.min(start + size, this.#buffer.length));
      // A block is due when a microphone would have heard it to its end.
      const due = begun + ((start + block.length) / this.rateHz) * 1000;
      if (!this.#fast) await this.#waitUntil(due);
      if (!this.#stopped) yield block;
    }
    this.stop();
  }

  /** End early. */
  stop() {
    this.#stopped = true;
    this.#player?.close();
    this.#player = null;
    this.#wake();
  }

  #play() {
    if (!this.#player) return;
    const node = new AudioBufferSourceNode(this.#player, { buffer: this.#buffer });
    node.connect(this.#player.destination);
    node.start();
  }

  #mix(start, end) {
    const { numberOfChannels } = this.#buffer;
    const mixed = this.#buffer.getChannelData(0).slice(start, end);
    for (let channel = 1; channel < numberOfChannels; channel++) {
      const samples = this.#buffer.getChannelData(channel);
      for (let i = start; i < end; i++) mixed[i - start] += samples[i];
    }
    if (numberOfChannels > 1) for (let i = 0; i < mixed.length; i++) mixed[i] /= numberOfChannels;
    return mixed;
  }

  #waitUntil(due) {
    const { promise, resolve } = Promise.withResolvers();
    this.#wake = resolve;
    const wait = due - performance.now();
    // A background tab wakes once a second: what is overdue by then goes out at once.
    if (wait <= 0) resolve();
    else setTimeout(resolve, wait);
    return promise;
  }
}

class UndecodedFile {
  encoding = "auto";
  rateHz = null;
  priority = "bulk";
  #file;
  #stopped = false;

  constructor(file) {
    this.#file = file;
  }

  /** The file's bytes, as quickly as they are taken. */
  async *blocks() {
    for (let start = 0; start < this.#file.size && !this.#stopped; start += CHUNK_BYTES) {
      yield new Uint8Array(await this.#file.slice(start, start + CHUNK_BYTES).arrayBuffer());
    }
  }

  /** End early. */
  stop() {
    this.#stopped = true;
  }
}
