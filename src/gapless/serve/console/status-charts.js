// The charts of the last hour: a card for each figure, one cursor for all, and what each means one click away.

import { element } from "./dom.js";
import { Chart } from "./status-chart.js";
import { nearest, spans } from "./status-hour.js";
import { NOTHING, quantity, timeOfDay } from "./status-quantity.js";

const HOUR_MS = 3_600_000;
/** A server that has just begun is not drawn as a dot at the right edge. */
const LEAST_MS = 300_000;
/** Rows of the table that says the same as the chart. */
const TABLE_SPAN_MS = 300_000;

export class Charts {
  #root;
  #hour;
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** The moment under the pointer, or null: the newest is told. */
  #pointedMs = null;
  #due = false;

  /**
   * @param {HTMLElement} root
   * @param {import("./status-hour.js").Hour} hour
   */
  constructor(root, hour) {
    this.#root = root;
    this.#hour = hour;
  }

  /** The hour has changed. */
  show() {
    for (const line of this.#hour.lines.values()) {
      if (this.#cards.has(line.name)) continue;
      const card = new Card(line, (timeMs) => this.#point(timeMs), (step) => this.#step(step));
      this.#cards.set(line.name, card);
      this.#root.append(card.root);
      card.mount();
    }
    for (const card of this.#cards.values()) card.tell(this.#hour);
    this.#draw();
  }

  #point(timeMs) {
    this.#pointedMs = timeMs;
    if (this.#due) return;
    // Pointers move more often than screens change.
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  /** By keys: so many values to the right, from the newest on. */
  #step(step) {
    const { atMs } = this.#hour;
    if (!atMs.length) return;
    const now = this.#pointedMs === null ? atMs.length - 1 : nearest(atMs, this.#pointedMs);
    this.#point(atMs[Math.min(Math.max(now + step, 0), atMs.length - 1)]);
  }

  #draw() {
    const { atMs, everyS, newestMs } = this.#hour;
    if (newestMs === null) return;
    const spanMs = Math.min(Math.max(newestMs - atMs[0], LEAST_MS), HOUR_MS);
    const cursor = this.#pointedMs === null ? -1 : nearest(atMs, this.#pointedMs);
    const shared = { atMs, fromMs: newestMs - spanMs, toMs: newestMs, everyMs: everyS * 1000, cursor };
    for (const card of this.#cards.values()) card.draw(shared);
  }
}

/** One figure: title, newest value, chart, and the disclosure. */
class Card {
  #line;
  /** @type {Chart | null} */
  #chart = null;
  #canvas;
  #value;
  #when;
  #facts;
  #rows;
  #details;
  /** @type {import("./status-hour.js").Hour | null} */
  #hour = null;

  /**
   * @param {import("./status-hour.js").Line} line
   * @param {(timeMs: number | null) => void} point
   * @param {(step: number) => void} step
   */
  constructor(line, point, step) {
    this.#line = line;
    const id = `chart-${line.name}`;
    this.#canvas = element("canvas", { class: "chart", role: "slider", tabindex: "0", "aria-describedby": `${id}-says` });
    this.#value = element("span", { class: "chart-value" }, NOTHING);
    this.#when = element("span", { class: "chart-when" });
    this.#facts = element("dl", { class: "facts-list" });
    this.#rows = element("tbody");
    this.#details = this.#explanation(id);
    const head = element("div", { class: "chart-head" }, element("h3", { id }, line.title), this.#value, this.#when);
    this.root = element("figure", { class: "card chart-card", "aria-labelledby": id, "data-series": line.name });
    this.root.append(head, this.#canvas, this.#details);
    this.#listen(point, step);
  }

  /** It is in the page now, where a canvas has a size and colours. */
  mount() {
    this.#chart = new Chart(this.#canvas);
  }

  #explanation(id) {
    const columns = ["from", "lowest", "median", "highest"].map((name) => element("th", { scope: "col" }, name));
    const table = element("table", { class: "numbers", "aria-labelledby": id });
    table.append(element("thead", {}, element("tr", {}, ...columns)), this.#rows);
    const says = element("p", { class: "says", id: `${id}-says` }, this.#line.says);
    const unseen = element("span", { class: "unseen" }, `: ${this.#line.title}`);
    const summary = element("summary", {}, "What is this?", unseen);
    const scroll = element("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-labelledby": id }, table);
    const details = element("details", { class: "what" }, summary, says, this.#facts, scroll);
    details.addEventListener("toggle", () => details.open && this.#fill());
    return details;
  }

  #listen(point, step) {
    const canvas = this.#canvas;
    canvas.addEventListener("pointermove", ({ offsetX }) => point(this.#chart.timeAt(offsetX)));
    canvas.addEventListener("pointerdown", ({ offsetX }) => point(this.#chart.timeAt(offsetX)));
    for (const end of ["pointerleave", "blur"]) canvas.addEventListener(end, () => point(null));
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") point(null);
      else if (event.key in steps) step(steps[event.key]);
      else return;
      event.preventDefault();
    });
  }

  /** The hour has changed: words, and the table where it is open. */
  tell(hour) {
    this.#hour = hour;
    const { unit, target, values, says } = this.#line;
    const known = values.filter((value) => value !== null);
    const newest = known.length ? quantity(known.at(-1), unit) : "nothing measured";
    const range = known.length ? `, ${quantity(Math.min(...known), unit)} to ${quantity(Math.max(...known), unit)}` : "";
    const aim = target === null ? "" : `, target ${quantity(target, unit)}`;
    const { title } = this.#line;
    this.#canvas.setAttribute("aria-label", `${title}: ${newest}${range} in the last hour${aim}`);
    this.#details.querySelector(".says").textContent = says;
    if (this.#details.open) this.#fill();
  }

  /** Draw with what all charts share. */
  draw(shared) {
    const { values, unit, target } = this.#line;
    this.#chart.draw({ ...shared, line: this.#line });
    const place = shared.cursor < 0 ? values.length - 1 : shared.cursor;
    const value = values[place] ?? null;
    const attributes = { valuemin: 0, valuemax: values.length - 1, valuenow: place };
    for (const [name, number] of Object.entries(attributes)) this.#canvas.setAttribute(`aria-${name}`, String(number));
    this.#canvas.setAttribute("aria-valuetext", `${quantity(value, unit)} at ${timeOfDay(shared.atMs[place], true)}`);
    this.#value.textContent = quantity(value, unit);
    this.#value.toggleAttribute("data-over", target !== null && value !== null && value > target);
    this.#when.textContent = shared.cursor < 0 ? "" : timeOfDay(shared.atMs[place], true);
  }

  #fill() {
    const { unit, target, metric, values } = this.#line;
    const facts = [
      ["unit", unit || "a number"],
      ["target", target === null ? "none: it is shown, not judged" : `at most ${quantity(target, unit)}: the dashed line`],
      ...(metric ? [["metric", element("code", {}, metric)]] : []),
    ];
    this.#facts.replaceChildren(
      ...facts.flatMap(([name, said]) => [element("dt", {}, name), element("dd", {}, said)]),
    );
    const rows = spans(this.#hour.atMs, values, TABLE_SPAN_MS).reverse();
    this.#rows.replaceChildren(
      ...rows.map(({ fromMs, low, middle, high }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, timeOfDay(fromMs)),
          ...[low, middle, high].map((value) => element("td", {}, quantity(value, unit))),
        ),
      ),
    );
  }
}
