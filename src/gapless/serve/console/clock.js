// Times for people and for subtitle files, from milliseconds of audio time.

const pad = (number, digits) => String(number).padStart(digits, "0");

/** `1:05`, `1:01:05`. */
export function shortTime(ms) {
  const seconds = Math.floor(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = pad(seconds % 60, 2);
  return hours ? `${hours}:${pad(minutes, 2)}:${rest}` : `${minutes}:${rest}`;
}

/** `00:01:05,250`, with the decimal mark that the format wants. */
export function cueTime(ms, mark) {
  const seconds = Math.floor(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(seconds % 60, 2)}${mark}${pad(ms % 1000, 3)}`;
}

/** `today 14:05`, `yesterday 9:30`, `3 March 2031, 14:05`, in the visitor's language and time zone. */
export function dayAndTime(unixMs, nowMs = Date.now()) {
  const date = new Date(unixMs);
  const time = date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  const days = Math.round((midnight - new Date(unixMs).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0 || days === 1) {
    const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
    return `${words.format(-days, "day")} ${time}`;
  }
  const day = date.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
  return `${day}, ${time}`;
}
