// Shows where the program is: its state, the cycle, the tempo, the outputs.

import { byId, element } from "./dom.js";

/** A cycle is a bar of so many beats, where nothing else is said. */
const BEATS = 4;
const LABELS = { idle: "Play", starting: "Starting", live: "Update", finishing: "Stopping" };

/** @param {"idle" | "starting" | "live" | "finishing"} state */
export function showState(state) {
  byId("main-button").dataset.state = state;
  byId("main-label").textContent = LABELS[state];
  byId("hush").disabled = state !== "live";
  byId("stop").disabled = state === "idle" || state === "finishing";
  byId("buffer").disabled = state !== "idle";
  document.title = state === "live" ? "● gapless play" : "gapless play";
}

/** @param {{cycle: number, cps: number} | null} position */
export function showPosition(position) {
  const beat = position ? Math.floor((position.cycle - Math.floor(position.cycle)) * BEATS) : -1;
  write("cycle", position ? String(Math.floor(position.cycle)) : "–");
  [...byId("beats").children].forEach((light, i) => light.toggleAttribute("data-on", i === beat));
  write("bpm", position ? `${short(position.cps * 60 * BEATS)} bpm` : "");
  write("cps", position ? `${short(position.cps)} cps` : "");
}

/** @param {string[]} outputs @param {string[]} hushed those of them that are silent */
export function showOutputs(outputs, hushed) {
  byId("outputs").replaceChildren(
    ...outputs.map((name) => {
      const silent = hushed.includes(name);
      return element("li", { "data-name": name, ...(silent && { "data-hushed": "" }) }, name, ...(silent ? [" hushed"] : []));
    }),
  );
}

/** Light those on which something just began. @param {Set<string>} outputs */
export function flashOutputs(outputs) {
  for (const item of byId("outputs").children) item.toggleAttribute("data-on", outputs.has(item.dataset.name));
}

/** How often nothing was there to be played. @param {number | null} gaps */
export function showGaps(gaps) {
  const counted = gaps === 1 ? "1 gap" : `${gaps} gaps`;
  write("gaps", gaps === null ? "" : gaps ? `${counted} in the sound: a larger buffer helps` : "no gaps in the sound");
}

const short = (number) => String(Number(number.toFixed(3)));

/** A text that is set lays the page out again, even if it is the same. */
function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}
