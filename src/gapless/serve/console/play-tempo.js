// Where in the cycles a sample is.

/** Anchors kept: programs that are told of before they are heard. */
const MAX_ANCHORS = 64;

export class Tempo {
  #rateHz = 1;
  /** @type {{sample: number, cycle: number, cps: number}[]} by time */
  #anchors = [];

  /** Begin anew. */
  reset(rateHz) {
    this.#rateHz = rateHz;
    this.#anchors = [];
  }

  /** From this sample on, the cycle is this and goes at this tempo. */
  push({ sample, cycle, cps }) {
    this.#anchors = this.#anchors.filter((anchor) => anchor.sample < sample);
    this.#anchors.push({ sample, cycle: Number(cycle), cps: Number(cps) });
    if (this.#anchors.length > MAX_ANCHORS) this.#anchors.shift();
  }

  /** The cycle, with its fraction, and the tempo at a sample; null before the first. */
  at(sample) {
    const anchor = this.#anchors.findLast((candidate) => candidate.sample <= sample);
    if (!anchor) return null;
    const { cps } = anchor;
    return { cycle: anchor.cycle + ((sample - anchor.sample) / this.#rateHz) * cps, cps };
  }
}
