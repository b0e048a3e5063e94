// The page's loudspeaker: what the server sent goes in, and it knows which sample is heard right now.

/** What the ring holds beyond what was asked for. */
const SPARE_SECONDS = 1;
const FADE_SECONDS = 0.005;
/** How long the last sound takes to fade when all is stopped. */
const LAST_FADE_SECONDS = 0.03;
/** Above this the network carries what no ear hears. */
const MAX_RATE_HZ = 48_000;
/** Reports kept to look back at what is being heard by now: more than the delay of any device. */
const KEPT_REPORTS = 128;
/** Points of the wave that pictures and meters look at, and of the spectrum. */
const WAVE_POINTS = 4096;
const SPECTRUM_POINTS = 8192;

export class Speaker {
  /** Gaps so far in which nothing was there to play. */
  gaps = 0;
  /** @type {AnalyserNode} of both channels */
  mix;
  /** @type {AnalyserNode} */
  left;
  /** @type {AnalyserNode} */
  right;
  #context;
  #node;
  #volume;
  #tell;
  /** @type {{frame: number, played: number}[]} which sample was to be played at which frame of the context */
  #reports = [];
  #closed = false;

  /**
   * To be called while the visitor presses something: browsers start no sound otherwise.
   * @param {{consumed: (sample: number) => void, overflow: () => void}} tell what the audio thread has taken so far
   */
  constructor(tell) {
    this.#tell = tell;
    this.#context = newContext();
    this.#context.resume();
  }

  get rateHz() {
    return this.#context.sampleRate;
  }

  /** Load what runs on the audio thread, and connect it. @param {number} bufferMs which the server keeps filled */
  async open(bufferMs) {
    const context = this.#context;
    await context.audioWorklet.addModule(new URL("play-worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(context, "play", {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: {
        ringFrames: Math.ceil((bufferMs / 1000 + SPARE_SECONDS) * this.rateHz),
        primeFrames: Math.ceil((bufferMs / 2000) * this.rateHz),
        fadeFrames: Math.ceil(FADE_SECONDS * this.rateHz),
      },
    });
    this.#node.port.onmessage = ({ data }) => this.#receive(data);
    this.#connect();
    await context.resume();
  }

  /** Sound to be played after what came before. @param {ArrayBuffer} block interleaved 32-bit floats */
  push(block) {
    this.#node.port.postMessage(block, [block]);
  }

  /** How loud it is heard; pictures and meters show the sound as it is. @param {number} share 0..1 */
  set volume(share) {
    // What is half as loud has about a third of the amplitude: a power follows the ear better than a line.
    this.#volume?.gain.setTargetAtTime(share ** 2, this.#context.currentTime, 0.01);
  }

  /** The sample that comes out of the loudspeaker now; before there was any, negative. */
  get heard() {
    const delay = this.#context.outputLatency || this.#context.baseLatency || 0;
    const frame = (this.#context.currentTime - delay) * this.rateHz;
    let next = null;
    for (let i = this.#reports.length - 1; i >= 0; i--) {
      const report = this.#reports[i];
      // Within a gap nothing is played although time goes on: the report after it is the bound.
      if (report.frame <= frame) return Math.min(report.played + frame - report.frame, next?.played ?? Infinity);
      next = report;
    }
    return -1;
  }

  /** Fade out and let go of the device. A second call does nothing. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    const context = this.#context;
    this.#tell = { consumed() {}, overflow() {} };
    if (this.#volume && context.state === "running") {
      this.#volume.gain.setTargetAtTime(0, context.currentTime, LAST_FADE_SECONDS / 4);
      await new Promise((resume) => setTimeout(resume, 2000 * LAST_FADE_SECONDS));
    }
    this.#node?.port.postMessage(null);
    this.#node?.port.close();
    await context.close();
  }

  #connect() {
    const context = this.#context;
    const analyser = (fftSize) => new AnalyserNode(context, { fftSize, smoothingTimeConstant: 0.65 });
    const sides = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    [this.left, this.right, this.mix] = [analyser(WAVE_POINTS), analyser(WAVE_POINTS), analyser(SPECTRUM_POINTS)];
    this.#volume = new GainNode(context);
    this.#node.connect(sides);
    sides.connect(this.left, 0);
    sides.connect(this.right, 1);
    this.#node.connect(this.mix);
    this.#node.connect(this.#volume).connect(context.destination);
  }

  #receive({ overflow, frame, played, gaps }) {
    if (overflow) {
      this.#tell.overflow();
      return;
    }
    this.gaps = gaps;
    this.#reports.push({ frame, played });
    if (this.#reports.length > KEPT_REPORTS) this.#reports.shift();
    this.#tell.consumed(played);
  }
}

/** A context at the device's own rate, so that nothing is resampled in the browser if it can be helped. */
function newContext() {
  const context = new AudioContext({ latencyHint: "interactive" });
  if (context.sampleRate <= MAX_RATE_HZ) return context;
  context.close();
  return new AudioContext({ latencyHint: "interactive", sampleRate: MAX_RATE_HZ });
}
