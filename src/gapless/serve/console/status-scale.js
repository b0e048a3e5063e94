// Where a chart's lines stand: round numbers for values, round times for the clock.

const STEPS = [1, 2, 2.5, 5, 10];
const TIME_STEPS_MS = [10_000, 30_000, 60_000, 300_000, 600_000, 900_000];
/** A target this many times above all values is told at the edge, and does not press them flat. */
const FAR = 4;

/**
 * The scale of values, from 0 on.
 * @param {number} highest of the values
 * @param {number | null} target
 * @param {number} lines about how many there should be
 * @returns {{top: number, step: number, shown: boolean}} `shown`: the target lies within
 */
export function valueScale(highest, target, lines) {
  const shown = target !== null && target <= FAR * highest;
  const most = Math.max(highest, shown ? target : 0) * 1.08 || 1;
  const rough = most / lines;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * STEPS.find((candidate) => candidate * size >= rough * 0.999);
  return { top: Math.ceil(most / step) * step, step, shown };
}

/**
 * Round times between two moments. No step is longer than what all time zones are multiples of: a quarter of an hour.
 * @param {number} fromMs
 * @param {number} toMs
 * @param {number} most how many there may be
 * @returns {number[]}
 */
export function timeTicks(fromMs, toMs, most) {
  const span = toMs - fromMs;
  const step = TIME_STEPS_MS.find((candidate) => span / candidate <= most) ?? TIME_STEPS_MS.at(-1);
  const ticks = [];
  for (let at = Math.ceil(fromMs / step) * step; at <= toMs; at += step) ticks.push(at);
  return ticks;
}
