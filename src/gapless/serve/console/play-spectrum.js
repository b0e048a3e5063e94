// The spectrum: level over frequency, both by their logarithm, as ears have it.

import { Picture } from "./play-picture.js";

const LOW_HZ = 30;
const HIGH_HZ = 20_000;
const TOP_DB = -10;
const FLOOR_DB = -90;
const GRID_DB = [-20, -40, -60, -80];
const GRID_HZ = [50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const LABEL_HZ = { 100: "100", 1000: "1k", 10_000: "10k" };
/** Space under the curve for the frequencies. */
const SCALE_HEIGHT = 18;

export class Spectrum {
  #picture;
  #levels = new Float32Array(0);
  #rateHz = 48_000;
  #silent = true;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const colours = { line: "--accent", fill: "--wave-speech", grid: "--line", text: "--muted" };
    this.#picture = new Picture(canvas, colours, () => this.#picture && this.#paint());
    this.#paint();
  }

  /** Draw what an analyser has. @param {AnalyserNode} analyser */
  draw(analyser) {
    if (this.#levels.length !== analyser.frequencyBinCount) {
      this.#levels = new Float32Array(analyser.frequencyBinCount);
    }
    this.#rateHz = analyser.context.sampleRate;
    analyser.getFloatFrequencyData(this.#levels);
    const wasSilent = this.#silent;
    this.#silent = this.#levels.every((level) => level < FLOOR_DB);
    if (!this.#silent || !wasSilent) this.#paint();
  }

  /** An empty grid: nothing sounds. */
  reset() {
    this.#silent = true;
    this.#paint();
  }

  #x(hz) {
    return (Math.log(hz / LOW_HZ) / Math.log(HIGH_HZ / LOW_HZ)) * this.#picture.width;
  }

  #y(db) {
    const share = (TOP_DB - Math.max(db, FLOOR_DB)) / (TOP_DB - FLOOR_DB);
    return Math.max(share, 0) * (this.#picture.height - SCALE_HEIGHT);
  }

  #paint() {
    const { pen, width, height } = this.#picture;
    if (!width) return;
    pen.clearRect(0, 0, width, height);
    this.#paintGrid(pen, width, height - SCALE_HEIGHT);
    if (!this.#silent) this.#paintCurve(pen, width, height - SCALE_HEIGHT);
  }

  #paintGrid(pen, width, bottom) {
    const { colours } = this.#picture;
    pen.font = colours.font;
    pen.fillStyle = colours.grid;
    for (const db of GRID_DB) pen.fillRect(0, Math.round(this.#y(db)), width, 1);
    for (const hz of GRID_HZ) pen.fillRect(Math.round(this.#x(hz)), 0, 1, bottom);
    pen.fillRect(0, bottom, width, 1);
    pen.fillStyle = colours.text;
    // On the right, where there is less of any sound.
    pen.textAlign = "right";
    pen.textBaseline = "bottom";
    for (const db of GRID_DB) pen.fillText(String(db).replace("-", "−"), width - 4, this.#y(db) - 1);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const [hz, label] of Object.entries(LABEL_HZ)) pen.fillText(label, this.#x(Number(hz)), bottom + 5);
  }

  #paintCurve(pen, width, bottom) {
    const { colours } = this.#picture;
    const ratio = HIGH_HZ / LOW_HZ;
    const line = new Path2D();
    for (let x = 0; x <= width; x++) {
      const [low, high] = [LOW_HZ * ratio ** (x / width), LOW_HZ * ratio ** ((x + 1) / width)];
      line.lineTo(x, this.#y(this.#level(low, high)));
    }
    const area = new Path2D(line);
    area.lineTo(width, bottom);
    area.lineTo(0, bottom);
    pen.fillStyle = colours.fill;
    pen.fill(area);
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.stroke(line);
  }

  /** The loudest between two frequencies; between two bins, what lies between their levels. */
  #level(lowHz, highHz) {
    const perHz = (2 * this.#levels.length) / this.#rateHz;
    const [low, high] = [lowHz * perHz, highHz * perHz];
    if (high >= this.#levels.length - 1) return FLOOR_DB;
    const [first, last] = [Math.ceil(low), Math.floor(high)];
    if (first > last) {
      const share = low - Math.floor(low);
      const [before, after] = [this.#levels[Math.floor(low)], this.#levels[Math.floor(low) + 1]];
      return Math.max(before, FLOOR_DB) * (1 - share) + Math.max(after, FLOOR_DB) * share;
    }
    let loudest = FLOOR_DB;
    for (let bin = first; bin <= last; bin++) loudest = Math.max(loudest, this.#levels[bin]);
    return loudest;
  }
}
