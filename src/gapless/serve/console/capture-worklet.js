// Runs on the browser's audio thread: gathers the microphone's quanta of 128 samples into blocks.

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.size = processorOptions.blockSamples;
    this.block = new Float32Array(this.size);
    this.filled = 0;
    this.over = false;
    // Asked to end: what a block has so far, then null.
    this.port.onmessage = () => {
      this.over = true;
      if (this.filled) this.port.postMessage(this.block.slice(0, this.filled));
      this.port.postMessage(null);
    };
  }

  process([[samples]]) {
    if (this.over) return false;
    // No samples while the device is being switched; the node stays alive.
    if (!samples) return true;
    let taken = 0;
    while (taken < samples.length) {
      const part = samples.subarray(taken, taken + this.size - this.filled);
      this.block.set(part, this.filled);
      this.filled += part.length;
      taken += part.length;
      if (this.filled === this.size) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(this.size);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
