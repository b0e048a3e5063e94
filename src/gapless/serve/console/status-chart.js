// One figure over time, on a canvas: its line, the target, and a cursor that all charts share.

import { Picture } from "./play-picture.js";
import { number, timeOfDay } from "./status-quantity.js";
import { timeTicks, valueScale } from "./status-scale.js";

/** Room for the numbers at the left and the clock below, in CSS pixels. */
const LEFT = 44;
const BELOW = 20;
const ABOVE = 8;
const RIGHT = 6;
/** A hole in the line: this many times the usual distance between two values. */
const GAP = 2.5;
const LINES = 4;
const TICK_WIDTH = 72;
const COLOURS = {
  line: "--accent",
  fill: "--wave-speech",
  over: "--hot",
  grid: "--line",
  text: "--muted",
  target: "--fg",
  ground: "--card",
};

/**
 * @typedef {object} View what a chart shows
 * @property {number[]} atMs
 * @property {import("./status-hour.js").Line} line
 * @property {number} fromMs left edge
 * @property {number} toMs right edge
 * @property {number} everyMs usual distance of two values
 * @property {number} cursor place in `atMs`, or -1
 */

export class Chart {
  #picture;
  /** @type {View | null} */
  #view = null;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#picture = new Picture(canvas, COLOURS, () => this.#picture && this.#paint());
  }

  /** Draw this. @param {View} view */
  draw(view) {
    this.#view = view;
    this.#paint();
  }

  /** What moment lies at a place, in CSS pixels from the canvas's left edge. */
  timeAt(x) {
    const { fromMs, toMs } = this.#view;
    const share = (x - LEFT) / Math.max(this.#right - LEFT, 1);
    return fromMs + Math.min(Math.max(share, 0), 1) * (toMs - fromMs);
  }

  get #right() {
    return this.#picture.width - RIGHT;
  }

  get #bottom() {
    return this.#picture.height - BELOW;
  }

  #x(ms) {
    const { fromMs, toMs } = this.#view;
    return LEFT + ((ms - fromMs) / (toMs - fromMs)) * (this.#right - LEFT);
  }

  #y(value, top) {
    return this.#bottom - (value / top) * (this.#bottom - ABOVE);
  }

  #paint() {
    const { pen, width, height } = this.#picture;
    if (!width || !this.#view) return;
    const { line } = this.#view;
    pen.clearRect(0, 0, width, height);
    const known = line.values.filter((value) => value !== null);
    if (!known.length) {
      this.#paintNothing();
      return;
    }
    const scale = valueScale(Math.max(...known), line.target, LINES);
    this.#paintGrid(scale);
    this.#paintLine(scale);
    if (line.target !== null) this.#paintTarget(scale);
    this.#paintCursor(scale);
  }

  #paintNothing() {
    const { pen, width, height, colours } = this.#picture;
    pen.font = colours.font;
    pen.fillStyle = colours.text;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText("nothing measured yet", width / 2, height / 2);
  }

  #paintGrid({ top, step }) {
    const { pen, width, colours } = this.#picture;
    pen.font = colours.font;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let value = 0; value <= top * 1.001; value += step) {
      const y = Math.round(this.#y(value, top));
      pen.fillStyle = colours.grid;
      pen.fillRect(LEFT, y, this.#right - LEFT, 1);
      pen.fillStyle = colours.text;
      pen.fillText(number(value), LEFT - 8, y);
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    const { fromMs, toMs } = this.#view;
    for (const at of timeTicks(fromMs, toMs, Math.max(2, Math.floor(width / TICK_WIDTH)))) {
      const x = this.#x(at);
      if (x < LEFT + 14 || x > this.#right - 14) continue;
      pen.fillText(timeOfDay(at, toMs - fromMs < 120_000), x, this.#bottom + 7);
    }
  }

  /** The line in pieces: where nothing was measured, or the server was away, there is none. */
  #paintLine({ top }) {
    const { pen, colours } = this.#picture;
    const { atMs, line, fromMs, everyMs } = this.#view;
    const stroke = new Path2D();
    const area = new Path2D();
    let last = null;
    let lastX = 0;
    let begin = 0;
    const close = () => {
      if (last === null) return;
      // A value that stands alone is to be seen as well.
      if (lastX === begin) stroke.lineTo(lastX + 1, this.#y(line.values[last], top));
      area.lineTo(lastX, this.#bottom);
      area.lineTo(begin, this.#bottom);
      last = null;
    };
    for (let i = 0; i < atMs.length; i++) {
      const value = line.values[i];
      if (value === null || atMs[i] < fromMs) {
        close();
        continue;
      }
      if (last !== null && atMs[i] - atMs[last] > GAP * everyMs) close();
      const x = this.#x(atMs[i]);
      const y = this.#y(value, top);
      if (last === null) {
        begin = x;
        stroke.moveTo(x, y);
        area.moveTo(x, y);
      } else {
        stroke.lineTo(x, y);
        area.lineTo(x, y);
      }
      last = i;
      lastX = x;
    }
    close();
    pen.fillStyle = colours.fill;
    pen.fill(area);
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.strokeStyle = colours.line;
    pen.stroke(stroke);
    if (line.target !== null) this.#paintOver(stroke, this.#y(line.target, top));
  }

  /** What is above the target once more, in the colour of a warning. */
  #paintOver(stroke, y) {
    const { pen, width, colours } = this.#picture;
    if (y <= 0) return;
    pen.save();
    pen.beginPath();
    // Less half the line's width: what lies on the target is not over it.
    pen.rect(0, 0, width, y - 1);
    pen.clip();
    pen.strokeStyle = colours.over;
    pen.lineWidth = 2;
    pen.stroke(stroke);
    pen.restore();
  }

  #paintTarget({ top, shown }) {
    const { pen, colours } = this.#picture;
    const { target } = this.#view.line;
    const text = `target ${number(target)}`;
    const y = shown ? Math.round(this.#y(target, top)) : ABOVE;
    pen.fillStyle = colours.target;
    pen.textAlign = "right";
    if (shown) {
      pen.globalAlpha = 0.55;
      for (let x = LEFT; x < this.#right; x += 7) pen.fillRect(x, y, Math.min(4, this.#right - x), 1);
      pen.globalAlpha = 1;
    }
    // Under its line where there is no room above it; a halo keeps it legible on whatever runs below.
    pen.textBaseline = shown && y > ABOVE + 12 ? "bottom" : "top";
    const label = shown ? text : `↑ ${text}`;
    const at = shown && pen.textBaseline === "bottom" ? y - 2 : y + 3;
    pen.strokeStyle = colours.ground;
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.strokeText(label, this.#right, at);
    pen.fillStyle = colours.text;
    pen.fillText(label, this.#right, at);
  }

  #paintCursor({ top }) {
    const { pen, colours } = this.#picture;
    const { atMs, line, cursor, fromMs } = this.#view;
    if (cursor < 0 || !(atMs[cursor] >= fromMs)) return;
    const x = this.#x(atMs[cursor]);
    pen.fillStyle = colours.text;
    pen.fillRect(Math.round(x), ABOVE, 1, this.#bottom - ABOVE);
    const value = line.values[cursor];
    if (value === null) return;
    pen.beginPath();
    pen.arc(x, this.#y(value, top), 4, 0, 2 * Math.PI);
    pen.fillStyle = colours.line;
    pen.fill();
    pen.strokeStyle = colours.ground;
    pen.lineWidth = 2;
    pen.stroke();
  }
}
