// The server counts characters as Unicode code points, JavaScript as UTF-16 units.
// These cut a text where the server means it, emoji and rare scripts included.

/** The parts before and after the first `count` code points. */
export function splitAt(text, count) {
  let units = 0;
  for (const character of text) {
    if (count-- <= 0) break;
    units += character.length;
  }
  return [text.slice(0, units), text.slice(units)];
}

/**
 * Cut a text at ranges of code points.
 * @param {[number, number][]} ranges half open, in order
 * @returns {{text: string, marked: boolean}[]} the whole text, in order, without empty parts
 */
export function cutRanges(text, ranges) {
  const characters = Array.from(text);
  const parts = [];
  let done = 0;
  const take = (end, marked) => {
    if (end > done) parts.push({ text: characters.slice(done, end).join(""), marked });
    done = Math.max(done, end);
  };
  for (const [start, end] of ranges) {
    take(start, false);
    take(end, true);
  }
  take(characters.length, false);
  return parts;
}
