// Audio that was sent and not yet confirmed: what has to be sent again after a lost connection.

/** Bound of what is kept: more than a server holds unheard, and longer than it waits for a lost stream. */
const MAX_SECONDS = 60;

export class KeptAudio {
  /** Position, in samples, of the oldest audio kept. */
  start = 0;
  /** @type {ArrayBuffer[]} 16-bit mono, in order */
  blocks = [];
  #rateHz;
  #samples = 0;

  constructor(rateHz) {
    this.#rateHz = rateHz;
  }

  /** Keep what was just sent. @param {ArrayBuffer} block */
  push(block) {
    this.blocks.push(block);
    this.#samples += samplesOf(block);
    while (this.#samples > MAX_SECONDS * this.#rateHz) this.#shift();
  }

  /** The server has everything before this: no need to keep it. */
  confirm(receivedMs) {
    const received = Math.floor((receivedMs / 1000) * this.#rateHz);
    while (this.blocks.length && this.start + samplesOf(this.blocks[0]) <= received) this.#shift();
  }

  #shift() {
    const samples = samplesOf(this.blocks.shift());
    this.#samples -= samples;
    this.start += samples;
  }
}

const samplesOf = (block) => block.byteLength / 2;
