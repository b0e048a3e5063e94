// The scrolling waveform: the newest sound at the right, speech shaded.
//
// Sound is reduced to one peak per bar as it comes, so a frame costs the same however long the stream is; sizes and
// colours are read when they change, never while drawing.

const BAR_MS = 40;
const BAR_WIDTH = 2.5;
const BAR_PITCH = 4;
const MIN_BAR_HEIGHT = 2;
/** Bars kept: wider than any screen. */
const KEPT_BARS = 4096;
const KEPT_SPANS = 256;
/** Space under the bars for the time scale. */
const SCALE_HEIGHT = 22;
const LABEL_WIDTH = 32;
/** How quickly the view follows the sound: blocks come in steps, the picture glides. */
const GLIDE_MS = 90;

export class Waveform {
  #canvas;
  #context;
  #peaks = new Float32Array(KEPT_BARS);
  /** Bars complete so far; bar `n` lives at `n % KEPT_BARS`. */
  #bars = 0;
  #peak = 0;
  #inBar = 0;
  #rateHz = 0;
  #samples = 0;
  #reachedMs = 0;
  /** @type {{utt: string, startMs: number, endMs: number}[]} */
  #spans = [];
  #viewMs = 0;
  #lastFrame = 0;
  #width = 0;
  #height = 0;
  #colours = {};
  #steady = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect)).observe(canvas);
    document.addEventListener("themechange", () => this.#readColours());
    this.#readColours();
  }

  /** Where the sound is by now. */
  get nowMs() {
    return this.#rateHz ? (this.#samples / this.#rateHz) * 1000 : this.#reachedMs;
  }

  /** Whether the picture has caught up with the sound. */
  get settled() {
    return this.nowMs - this.#viewMs < 1;
  }

  /** Begin a new stream. `rateHz` is null where the samples are not known here. */
  reset(rateHz) {
    this.#peaks.fill(0);
    this.#bars = this.#peak = this.#inBar = this.#samples = this.#reachedMs = this.#viewMs = 0;
    this.#rateHz = rateHz ?? 0;
    this.#spans = [];
    this.draw(performance.now());
  }

  /** How far a stream has come whose samples are not known here. */
  reach(ms) {
    this.#reachedMs = ms;
  }

  /** The next samples. @param {Float32Array} samples */
  push(samples) {
    const perBar = Math.round((this.#rateHz * BAR_MS) / 1000);
    for (const sample of samples) {
      const size = Math.abs(sample);
      if (size > this.#peak) this.#peak = size;
      if (++this.#inBar === perBar) {
        this.#peaks[this.#bars++ % KEPT_BARS] = this.#peak;
        this.#peak = this.#inBar = 0;
      }
    }
    this.#samples += samples.length;
  }

  /** Somebody began to speak. */
  speechStart(utt, atMs) {
    this.#spans.push({ utt, startMs: atMs, endMs: Infinity });
    if (this.#spans.length > KEPT_SPANS) this.#spans.shift();
  }

  /** The utterance is over. */
  speechEnd(utt, atMs) {
    const span = this.#spans.find((candidate) => candidate.utt === utt);
    if (span) span.endMs = atMs;
  }

  /** Paint one frame. @param {number} now of requestAnimationFrame */
  draw(now) {
    this.#glide(now);
    const pen = this.#context;
    pen.clearRect(0, 0, this.#width, this.#height);
    this.#drawSpans(pen);
    this.#drawScale(pen);
    this.#drawBars(pen);
  }

  #glide(now) {
    const elapsed = Math.min(now - this.#lastFrame, 100);
    this.#lastFrame = now;
    const target = this.nowMs;
    if (this.#steady.matches) {
      // Without motion the view turns pages of half a second instead of gliding.
      this.#viewMs = Math.ceil(target / 500) * 500;
    } else {
      this.#viewMs += (target - this.#viewMs) * (1 - Math.exp(-elapsed / GLIDE_MS));
      if (target - this.#viewMs < 1) this.#viewMs = target;
    }
  }

  #x(ms) {
    return this.#width - ((this.#viewMs - ms) / BAR_MS) * BAR_PITCH;
  }

  #drawSpans(pen) {
    const bottom = this.#height - SCALE_HEIGHT;
    pen.fillStyle = this.#colours.speech;
    pen.beginPath();
    for (const { startMs, endMs } of this.#spans) {
      const left = Math.max(this.#x(startMs), -20);
      const right = Math.min(this.#x(endMs), this.#width + 20);
      if (right > left && right > 0) pen.roundRect(left, 0, right - left, bottom, 8);
    }
    pen.fill();
  }

  #drawScale(pen) {
    pen.fillStyle = this.#colours.muted;
    pen.font = this.#colours.font;
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    const shownMs = (this.#width / BAR_PITCH) * BAR_MS;
    const first = Math.max(1, Math.ceil((this.#viewMs - shownMs) / 1000));
    for (let second = first; ; second++) {
      const x = this.#x(second * 1000);
      if (x > this.#width - LABEL_WIDTH / 2) break;
      const text = `${Math.floor(second / 60)}:${String(second % 60).padStart(2, "0")}`;
      pen.fillText(text, x, this.#height - 4);
    }
  }

  #drawBars(pen) {
    const middle = (this.#height - SCALE_HEIGHT) / 2;
    const newest = Math.floor(this.#viewMs / BAR_MS);
    const count = Math.ceil(this.#width / BAR_PITCH) + 1;
    let span = this.#spans.length - 1;
    for (let bar = newest; bar > newest - count; bar--) {
      const ms = bar * BAR_MS;
      while (span >= 0 && ms < this.#spans[span].startMs) span--;
      const speech = span >= 0 && ms < this.#spans[span].endMs;
      // Quiet speech is what matters on the screen: the root brings it out.
      const half = Math.max(Math.sqrt(this.#peakOf(bar)) * middle, MIN_BAR_HEIGHT) * 0.94;
      // Plain rectangles: as one path, or with round ends, a frame costs the page nearly twice as much.
      pen.fillStyle = speech ? this.#colours.accent : this.#colours.quiet;
      pen.fillRect(this.#x(ms), middle - half, BAR_WIDTH, 2 * half);
    }
  }

  #peakOf(bar) {
    if (bar < 0 || bar > this.#bars || bar <= this.#bars - KEPT_BARS) return 0;
    return Math.min(bar === this.#bars ? this.#peak : this.#peaks[bar % KEPT_BARS], 1);
  }

  #resize({ width, height }) {
    const scale = window.devicePixelRatio;
    this.#width = width;
    this.#height = height;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw(performance.now());
  }

  #readColours() {
    // Colours of the style sheet, resolved by the browser: a canvas does not know custom properties.
    const style = getComputedStyle(this.#canvas);
    const probe = document.createElement("span");
    this.#canvas.after(probe);
    const resolve = (name) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    this.#colours = {
      accent: resolve("--accent"),
      muted: resolve("--muted"),
      quiet: resolve("--wave-quiet"),
      speech: resolve("--wave-speech"),
      font: `11px ${style.fontFamily}`,
    };
    probe.remove();
    this.draw(performance.now());
  }
}
