// The microphone as a source of blocks.

import { BLOCK_SECONDS, MAX_RATE_HZ } from "./pcm.js";

/** Blocks that may wait for a slow network: 30 seconds. */
const MAX_WAITING = 30 / BLOCK_SECONDS;

/** What the audio thread gets to hand over its last samples. */
const REST_MS = 250;

/** No microphone, and what to do about it. */
export class MicrophoneError extends Error {}

/**
 * Open the microphone; asks the visitor for permission the first time.
 *
 * @returns {Promise<import("./session.js").Source>}
 * @throws {MicrophoneError} with a sentence that says what to do
 */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new MicrophoneError(
      "This browser gives the microphone to https pages and to localhost only. Open the console " +
        "through https or an ssh tunnel, or choose a file or the sample.",
    );
  }
  const context = newContext();
  try {
    const media = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS });
    return await new Microphone(context, media).open();
  } catch (error) {
    await context.close();
    throw new MicrophoneError(ADVICE[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
}

// The server has its own denoiser, and echo cancellation cuts words when the sound is on.
const CONSTRAINTS = { channelCount: 1, echoCancellation: false, noiseSuppression: false };

const ADVICE = {
  NotAllowedError:
    "The microphone is blocked for this page. Allow it beside the address bar, or choose a file or the sample.",
  NotFoundError: "No microphone was found. Plug one in, or choose a file or the sample.",
  NotReadableError:
    "Another program holds the microphone. Close that program, or choose a file or the sample.",
};

/** A context at the device's own rate, so that nothing is resampled in the browser if it can be helped. */
function newContext() {
  const context = new AudioContext({ latencyHint: "interactive" });
  if (context.sampleRate <= MAX_RATE_HZ) return context;
  context.close();
  return new AudioContext({ latencyHint: "interactive", sampleRate: MAX_RATE_HZ });
}

class Microphone {
  encoding = "pcm_s16le";
  priority = "live";
  #context;
  #media;
  #node;
  #waiting = [];
  #wake = () => {};
  #stopping = null;
  #stopped = false;
  #error = null;

  constructor(context, media) {
    this.#context = context;
    this.#media = media;
    this.rateHz = context.sampleRate;
  }

  async open() {
    const [track] = this.#media.getAudioTracks();
    track.addEventListener("ended", () => this.#fail("The microphone was unplugged."));
    await this.#context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(this.#context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { blockSamples: Math.round(this.rateHz * BLOCK_SECONDS) },
    });
    this.#node.port.onmessage = ({ data }) => (data ? this.#take(data) : this.#end());
    this.#context.createMediaStreamSource(this.#media).connect(this.#node);
    await this.#context.resume();
    return this;
  }

  /** Blocks as they are heard, until `stop`. */
  async *blocks() {
    for (;;) {
      if (this.#waiting.length) yield this.#waiting.shift();
      else if (this.#error) throw this.#error;
      else if (this.#stopped) return;
      else await new Promise((resume) => (this.#wake = resume));
    }
  }

  /** Let go of the microphone; what was heard is still handed out, to the last sample. */
  stop() {
    if (this.#stopping !== null) return;
    this.#node?.port.postMessage("end");
    // A device that went away stops the audio thread too, which then answers nobody.
    this.#stopping = setTimeout(() => this.#end(), REST_MS);
  }

  #end() {
    clearTimeout(this.#stopping);
    if (this.#stopped) return;
    this.#stopped = true;
    for (const track of this.#media.getTracks()) track.stop();
    this.#context.close();
    this.#wake();
  }

  #take(block) {
    if (this.#stopped) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#fail("The network is too slow for the sound. Start again when it is better.");
      return;
    }
    this.#waiting.push(block);
    this.#wake();
  }

  #fail(sentence) {
    this.#error ??= new MicrophoneError(sentence);
    this.stop();
  }
}
