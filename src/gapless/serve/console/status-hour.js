// The last hour as the page has it: what the server told at first, and what has come since.

/** Bounds of what is kept, whatever a server says. */
const MOST_MS = 3_600_000;
const MOST_POINTS = 7200;
const MOST_SERIES = 64;

/**
 * @typedef {object} Line one figure over time
 * @property {string} name
 * @property {string} title
 * @property {string} says
 * @property {string} unit
 * @property {string} metric
 * @property {number | null} target
 * @property {(number | null)[]} values of each moment in `atMs`
 */

export class Hour {
  everyS = 5;
  /** @type {number[]} ascending */
  atMs = [];
  /** @type {Map<string, Line>} */
  lines = new Map();

  /** The newest moment there is, or null. */
  get newestMs() {
    return this.atMs.at(-1) ?? null;
  }

  /** Add what `/v1/status/history` answered; what is known already is left out. */
  take(history) {
    this.everyS = history.every_s;
    const newest = this.newestMs ?? -Infinity;
    const first = history.at_ms.findIndex((at) => at > newest);
    const fresh = first < 0 ? [] : history.at_ms.slice(first);
    for (const series of history.series) this.#describe(series);
    const values = new Map(history.series.map((series) => [series.name, series.values]));
    for (const line of this.lines.values()) {
      const told = first < 0 ? [] : (values.get(line.name)?.slice(first) ?? []);
      for (let i = 0; i < fresh.length; i++) line.values.push(told[i] ?? null);
    }
    this.atMs.push(...fresh);
    this.#forget();
  }

  #describe({ name, title, says, unit, metric, target }) {
    let line = this.lines.get(name);
    if (!line) {
      if (this.lines.size >= MOST_SERIES) return;
      // It was not told of before: so far there is nothing.
      line = { name, values: this.atMs.map(() => null) };
      this.lines.set(name, line);
    }
    Object.assign(line, { title: title || words(name), says, unit, metric: metric ?? "", target: target ?? null });
  }

  #forget() {
    const since = (this.newestMs ?? 0) - MOST_MS;
    let old = this.atMs.findIndex((at) => at >= since);
    old = Math.max(old, this.atMs.length - MOST_POINTS);
    if (old <= 0) return;
    this.atMs.splice(0, old);
    for (const line of this.lines.values()) line.values.splice(0, old);
  }
}

/** `lag_p95` as a title: `Lag p95`. */
function words(name) {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/**
 * Lowest, middle and highest of the values in each of so many equal spans of time, oldest first.
 * @param {number[]} atMs
 * @param {(number | null)[]} values
 * @param {number} spanMs
 * @returns {{fromMs: number, count: number, low: number, middle: number, high: number}[]} spans that have values
 */
export function spans(atMs, values, spanMs) {
  /** @type {Map<number, number[]>} */
  const found = new Map();
  for (const [i, at] of atMs.entries()) {
    if (values[i] == null) continue;
    const from = Math.floor(at / spanMs) * spanMs;
    if (!found.has(from)) found.set(from, []);
    found.get(from).push(values[i]);
  }
  return [...found].map(([fromMs, inside]) => {
    inside.sort((a, b) => a - b);
    return { fromMs, count: inside.length, low: inside[0], middle: inside[inside.length >> 1], high: inside.at(-1) };
  });
}

/** The moment nearest to a time: its place in `atMs`, or -1 where there is none. */
export function nearest(atMs, timeMs) {
  let low = 0;
  let high = atMs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (atMs[middle] < timeMs) low = middle + 1;
    else high = middle;
  }
  if (low === atMs.length) return atMs.length - 1;
  return low > 0 && timeMs - atMs[low - 1] < atMs[low] - timeMs ? low - 1 : low;
}
