// Figures as people read them: three digits and a unit, a dash for what was not measured.

/** What stands where nothing was measured. */
export const NOTHING = "–";

// Made once: to make one takes longer than to draw a line of an hour.
const NUMBERS = [0, 1, 2].map((decimals) => new Intl.NumberFormat("en", { maximumFractionDigits: decimals }));
const MINUTES = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Units that grow into others: how much is one of the next, and what that is. */
const NEXT = { ms: [1000, "s"], kB: [1000, "MB"], MB: [1000, "GB"], B: [1000, "kB"] };

/**
 * `4.2 ms`, `1.2 s`, `812 MB`, `37 %`, `1,240 /s`.
 * @param {number | null | undefined} value
 * @param {string} unit may be empty
 */
export function quantity(value, unit = "") {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const next = NEXT[unit];
  if (next && Math.abs(value) >= next[0]) return quantity(value / next[0], next[1]);
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** A number with as many decimals as its first three digits need, thousands apart. */
export function number(value) {
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return NUMBERS[decimals].format(value).replace("-", "−");
}

/** A share from 0 to 1. */
export function percent(share) {
  return share == null ? NOTHING : quantity(100 * share, "%");
}

/** A time in its two largest units: `3 h 12 min`. */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time of day, as the visitor's language has it. */
export function timeOfDay(unixMs, seconds = false) {
  return (seconds ? SECONDS : MINUTES).format(unixMs);
}
