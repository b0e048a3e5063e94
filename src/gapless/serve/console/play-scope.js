// The oscilloscope: some milliseconds of the sound, from a rising zero crossing on, so that a steady tone stands still.

import { Picture } from "./play-picture.js";

const SPAN_MS = 24;
/** A crossing counts once the wave was this share of its peak below zero: noise on it does not trigger. */
const DIP = 0.2;
/** The scale fits the loudest of the last moments, in these steps. */
const SCALES = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1];
const HOLD_FRAMES = 90;
const SILENT = 1e-4;

export class Scope {
  #picture;
  #wave = new Float32Array(0);
  #start = 0;
  #points = 0;
  #scale = 1;
  #quietFrames = 0;
  #silent = true;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const colours = { line: "--accent", grid: "--line", text: "--muted" };
    this.#picture = new Picture(canvas, colours, () => this.#picture && this.#paint());
    this.#paint();
  }

  /** How much of the sound is seen. */
  static get spanMs() {
    return SPAN_MS;
  }

  /** Draw a wave of these channels, the newest samples last. */
  draw(left, right, rateHz) {
    if (this.#wave.length !== left.length) this.#wave = new Float32Array(left.length);
    let peak = 0;
    for (let i = 0; i < left.length; i++) {
      this.#wave[i] = (left[i] + right[i]) / 2;
      peak = Math.max(peak, Math.abs(this.#wave[i]));
    }
    const wasSilent = this.#silent;
    this.#silent = peak < SILENT;
    if (this.#silent && wasSilent) return;
    this.#points = Math.min(Math.round((SPAN_MS * rateHz) / 1000), left.length >> 1);
    this.#start = trigger(this.#wave, this.#wave.length - this.#points - 1, DIP * peak);
    this.#fit(peak);
    this.#paint();
  }

  /** A flat line: nothing sounds. */
  reset() {
    this.#silent = true;
    this.#paint();
  }

  #fit(peak) {
    const wanted = SCALES.find((scale) => peak <= scale) ?? 1;
    this.#quietFrames = wanted < this.#scale ? this.#quietFrames + 1 : 0;
    if (wanted > this.#scale || this.#quietFrames > HOLD_FRAMES) {
      this.#scale = wanted;
      this.#quietFrames = 0;
    }
  }

  #paint() {
    const { pen, width, height, colours } = this.#picture;
    if (!width) return;
    const middle = height / 2;
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = colours.grid;
    for (let i = 1; i < 4; i++) pen.fillRect(Math.round((i * width) / 4), 0, 1, height);
    for (const share of [0.5, 1, 1.5]) pen.fillRect(0, Math.round(share * middle), width, 1);
    pen.fillStyle = colours.text;
    pen.font = colours.font;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    if (!this.#silent) pen.fillText(`±${this.#scale}`, 4, 4);

    pen.beginPath();
    if (this.#silent) {
      pen.moveTo(0, middle);
      pen.lineTo(width, middle);
    } else {
      const half = (middle - 3) / this.#scale;
      const first = Math.floor(this.#start);
      for (let i = 0; i <= this.#points; i++) {
        const x = ((first + i - this.#start) / (this.#points - 1)) * width;
        pen.lineTo(x, middle - half * this.#wave[first + i]);
      }
    }
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    pen.stroke();
  }
}

/** The last rising zero crossing not after `last`, between two samples; `last` itself where there is none. */
function trigger(wave, last, dip) {
  for (let i = last; i > 1; i--) {
    if (!(wave[i - 1] < 0 && wave[i] >= 0)) continue;
    for (let j = i - 1; j >= 0 && wave[j] < 0; j--) {
      if (wave[j] <= -dip) return i - 1 + wave[i - 1] / (wave[i - 1] - wave[i]);
    }
  }
  return last;
}
