// Whether the server keeps its targets: in all, and one by one.

import { byId, element } from "./dom.js";
import { duration, quantity } from "./status-quantity.js";

const SENTENCES = {
  "all met": "All targets are met",
  good: "Most targets are met",
  attention: "This server needs attention",
};

/** A state is told by a sign and a word; the colour only repeats it. */
const SIGNS = { met: "✓", missed: "✕", unknown: "–" };
const WORDS = { met: "met", missed: "not met", unknown: "not measured" };
/** Where a target stands on its bar: there is room for what is beyond. */
const TARGET_PLACE = 0.7;

/** Show the judgement of a status. */
export function showVerdict(status) {
  const { judgement, targets, targets_met: met } = status;
  const unknown = targets.filter((target) => target.met === null).length;
  const open = unknown ? `; for ${unknown} there was nothing to measure` : "";
  byId("verdict").dataset.judgement = judgement;
  byId("verdict-sign").textContent = { "all met": "✓", good: "≈", attention: "!" }[judgement] ?? "";
  // The sentence is announced when it changes, not every time it is looked at.
  say(byId("verdict-title"), SENTENCES[judgement] ?? judgement);
  say(byId("verdict-count"), `${met} of ${targets.length} in the last ${Math.round(status.window_s)} s${open}`);
  byId("facts").replaceChildren(
    ...[
      ["up", duration(status.uptime_s)],
      [status.workers === 1 ? "process" : "processes", String(status.workers)],
      ["version", status.version],
    ].map(([name, value]) => element("li", {}, element("span", {}, name), ` ${value}`)),
  );
  byId("troubles").replaceChildren(...status.troubles.map((trouble) => element("li", {}, trouble)));
  byId("targets").replaceChildren(...targets.map(targetRow));
}

/**
 * One target: sign and word, what it is about, its value against its bound.
 * @param {{name: string, row: string, says: string, unit: string, bound: number, value: number | null,
 *   met: boolean | null}} target
 */
export function targetRow({ name, row, says, unit, bound, value, met }) {
  const state = met === null || value === null ? "unknown" : met ? "met" : "missed";
  const sign = element("span", { class: "sign", "aria-hidden": "true" }, SIGNS[state]);
  const words = element("span", { class: "state" }, WORDS[state]);
  const about = element("div", { class: "about" }, element("p", { class: "says" }, says), words);
  const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("i"), element("b"));
  // Of what must never be, anything is all too much.
  const [filled, place] = bound > 0 ? [((value ?? 0) / bound) * TARGET_PLACE, TARGET_PLACE] : [value ? 1 : 0, 0];
  bar.firstChild.style.width = `${100 * Math.min(filled, 1)}%`;
  bar.lastChild.style.left = `${100 * place}%`;
  const figure = element("p", { class: "figure" }, element("strong", {}, quantity(value, unit)));
  figure.append(element("span", {}, ` of ${quantity(bound, unit)}`));
  return element(
    "li",
    { class: "target", "data-state": state, "data-target": name, title: `row ${row} of the claims` },
    sign,
    about,
    bar,
    figure,
  );
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
