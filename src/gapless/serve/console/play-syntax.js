// Which words of a program are which, for colours only: what they mean is the server's to say.

const TOKENS = [
  ["comment", /--.*|^#.*|(?<=^(?:tempo|cps|bpm|outmix):[^#\n]*)#.*/],
  ["string", /"[^"\n]*"?/],
  ["head", /^(?:[a-zA-Z]\w*(?=\s*:(?!\w))|(?:out|o|d)\d*(?=\s*\$)|fn(?= )|(?:hush|unhush)\d*|panic|resetCycles|setCycle|nudge)(?!\w)/],
  ["bus", /[~@%][a-zA-Z_]\w*/],
  ["number", /(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?/],
  ["operator", /[#$*/+\-|<>]+/],
];

const SYNTAX = new RegExp(TOKENS.map(([name, { source }]) => `(?<${name}>${source})`).join("|"), "gm");

/** The kinds of words there are. */
export const KINDS = TOKENS.map(([name]) => name);

/**
 * Where the words of each kind are.
 * @param {string} text
 * @returns {Map<string, [number, number][]>} spans in UTF-16 units
 */
export function syntaxOf(text) {
  const spans = new Map(KINDS.map((kind) => [kind, []]));
  for (const { index, 0: word, groups } of text.matchAll(SYNTAX)) {
    const kind = KINDS.find((name) => groups[name] !== undefined);
    spans.get(kind).push([index, index + word.length]);
  }
  return spans;
}
