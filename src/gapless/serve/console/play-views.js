// What is seen of the sound: oscilloscope, spectrum, and the level of each side.

import { byId } from "./dom.js";
import { LevelMeter } from "./meters.js";
import { Scope } from "./play-scope.js";
import { Spectrum } from "./play-spectrum.js";

/** How often the pictures change for visitors who want no motion. */
const STEADY_MS = 500;

export class Views {
  #scope = new Scope(byId("scope"));
  #spectrum = new Spectrum(byId("spectrum"));
  #sides = ["left", "right"].map((name) => ({ name, meter: new LevelMeter(byId(name)), wave: new Float32Array(0) }));
  #steady = matchMedia("(prefers-reduced-motion: reduce)");
  #next = 0;

  constructor() {
    byId("scope-span").textContent = `${Scope.spanMs} ms`;
  }

  /** Paint one frame. @param {import("./play-speaker.js").Speaker} speaker @param {number} now of requestAnimationFrame */
  draw(speaker, now) {
    for (const side of this.#sides) {
      const analyser = speaker[side.name];
      if (side.wave.length !== analyser.fftSize) side.wave = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(side.wave);
      side.meter.push(side.wave);
      side.meter.draw(now);
    }
    if (this.#steady.matches && now < this.#next) return;
    this.#next = now + STEADY_MS;
    const [left, right] = this.#sides;
    this.#scope.draw(left.wave, right.wave, speaker.rateHz);
    this.#spectrum.draw(speaker.mix);
  }

  /** Nothing sounds. */
  reset() {
    this.#scope.reset();
    this.#spectrum.reset();
    for (const { meter } of this.#sides) meter.reset();
  }
}
