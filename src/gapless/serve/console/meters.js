// The two meters: how loud it is, and how far the words are behind the sound.

const FLOOR_DB = -60;
/** Above this the peak is about to be cut off. */
const HOT_DB = -2;
/** How fast the bar falls after a loud sound, and how long the peak mark stays. */
const FALL_DB_PER_SECOND = 30;
const HOLD_MS = 1500;
/** Numbers change this often: faster than this nobody reads. */
const NUMBER_MS = 250;

const LONG_LAG_MS = 1000;
const FULL_LAG_MS = 5000;

const toDb = (size) => Math.max(20 * Math.log10(Math.max(size, 1e-9)), FLOOR_DB);

/** Loudness (RMS) as a bar, the peak as a mark that stays a while, both in dB below full scale. */
export class LevelMeter {
  #view;
  #loudDb = FLOOR_DB;
  #peakDb = FLOOR_DB;
  #shownDb = FLOOR_DB;
  #heldDb = FLOOR_DB;
  #heldUntil = 0;
  #lastFrame = 0;
  #nextNumber = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#view = new MeterView(root);
  }

  /** The next samples. @param {Float32Array} samples */
  push(samples) {
    let energy = 0;
    let peak = 0;
    for (const sample of samples) {
      energy += sample * sample;
      peak = Math.max(peak, Math.abs(sample));
    }
    this.#loudDb = toDb(Math.sqrt(energy / Math.max(samples.length, 1)));
    this.#peakDb = toDb(peak);
  }

  /** Silence: the stream is over. */
  reset() {
    this.#loudDb = this.#peakDb = this.#shownDb = this.#heldDb = FLOOR_DB;
    this.#view.show(0, "–", "silent");
  }

  /** Paint one frame. @param {number} now of requestAnimationFrame */
  draw(now) {
    const fallen = this.#shownDb - (FALL_DB_PER_SECOND * Math.min(now - this.#lastFrame, 100)) / 1000;
    this.#lastFrame = now;
    this.#shownDb = Math.max(this.#loudDb, fallen, FLOOR_DB);
    if (this.#peakDb >= this.#heldDb || now > this.#heldUntil) {
      this.#heldDb = this.#peakDb;
      this.#heldUntil = now + HOLD_MS;
    }
    this.#view.bar(share(this.#shownDb), share(this.#heldDb), this.#heldDb > HOT_DB);
    if (now < this.#nextNumber) return;
    this.#nextNumber = now + NUMBER_MS;
    const silent = this.#shownDb <= FLOOR_DB;
    const number = Math.round(this.#shownDb);
    this.#view.text(
      silent ? "–" : `${String(number).replace("-", "−")} dB`,
      silent ? "silent" : `${number} dB below full scale`.replace("-", ""),
      number,
    );
  }
}

/** How far the words are behind the sound. */
export class LagMeter {
  #view;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#view = new MeterView(root);
  }

  /** The newest measure. */
  show(lagMs) {
    const lag = Math.max(0, Math.round(lagMs));
    const text = lag < LONG_LAG_MS ? `${lag} ms` : `${(lag / 1000).toFixed(1)} s`;
    this.#view.bar(Math.min(lag / FULL_LAG_MS, 1), 0, lag >= LONG_LAG_MS);
    this.#view.text(text, text, Math.min(lag, FULL_LAG_MS));
  }

  /** Nothing to measure: the stream is over. */
  reset() {
    this.#view.show(0, "–", "none");
  }
}

const share = (db) => (db - FLOOR_DB) / -FLOOR_DB;

/** The elements of a meter; moves them by transform only, so that no frame lays the page out anew. */
class MeterView {
  #root;
  #fill;
  #peak;
  #value;

  constructor(root) {
    this.#root = root;
    this.#fill = root.querySelector(".meter-fill");
    this.#peak = root.querySelector(".meter-peak");
    this.#value = root.querySelector(".meter-value");
  }

  bar(filled, peak, hot) {
    this.#fill.style.transform = `scaleX(${filled})`;
    if (this.#peak) this.#peak.style.transform = `translateX(${peak * 99}%)`;
    this.#root.toggleAttribute("data-hot", hot);
  }

  text(value, spoken, now) {
    if (this.#value.textContent === value) return;
    this.#value.textContent = value;
    this.#root.setAttribute("aria-valuetext", spoken);
    this.#root.setAttribute("aria-valuenow", String(now));
  }

  show(filled, value, spoken) {
    this.bar(filled, 0, false);
    this.text(value, spoken, this.#root.getAttribute("aria-valuemin"));
  }
}
