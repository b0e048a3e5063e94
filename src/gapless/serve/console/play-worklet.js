// Runs on the browser's audio thread: plays what came, in order, from a bounded ring.
//
// In: interleaved stereo blocks from the page. Out: the sound, and now and then how far it has come. Where nothing is
// left, the last few milliseconds are faded, and so are the first ones when the sound is back: a gap, but no click.

const CHANNELS = 2;
/** A report about every 20 ms. */
const REPORT_QUANTA = 8;

class Play extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    const { ringFrames, primeFrames, fadeFrames } = processorOptions;
    this.size = ringFrames;
    this.ring = new Float32Array(CHANNELS * ringFrames);
    /** Waits until so much has come, at the start and after a gap. */
    this.prime = primeFrames;
    this.fade = fadeFrames;
    this.written = 0;
    this.played = 0;
    this.gaps = 0;
    this.gain = 1;
    this.flowing = false;
    this.over = false;
    this.quanta = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  /** The next block, or null: no more of it. */
  take(block) {
    if (block === null) {
      this.over = true;
      return;
    }
    const samples = new Float32Array(block);
    const frames = samples.length / CHANNELS;
    if (this.written - this.played + frames > this.size) {
      // More than was asked for: to drop it would shift all that follows.
      this.port.postMessage({ overflow: true });
      this.over = true;
      return;
    }
    const at = CHANNELS * (this.written % this.size);
    const head = samples.subarray(0, this.ring.length - at);
    this.ring.set(head, at);
    this.ring.set(samples.subarray(head.length), 0);
    this.written += frames;
  }

  process(_inputs, [[left, right]]) {
    if (this.over) return false;
    if (!this.flowing && this.written - this.played >= this.prime) this.flowing = true;
    if (this.flowing) this.play(left, right);
    if (++this.quanta % REPORT_QUANTA === 0) {
      const { played, gaps } = this;
      this.port.postMessage({ frame: currentFrame + left.length, played, gaps });
    }
    return true;
  }

  play(left, right) {
    const step = 1 / this.fade;
    for (let i = 0; i < left.length; i++) {
      const rest = this.written - this.played;
      if (rest === 0) {
        this.flowing = false;
        this.gain = 0;
        this.gaps++;
        return;
      }
      this.gain = rest > this.fade ? Math.min(1, this.gain + step) : Math.max(0, this.gain - step);
      const at = CHANNELS * (this.played % this.size);
      left[i] = this.gain * this.ring[at];
      right[i] = this.gain * this.ring[at + 1];
      this.played++;
    }
  }
}

registerProcessor("play", Play);
