// Captions as files: the same bytes as `GET /v1/transcripts/{id}?format=` gives, also where nothing is kept.

import { cueTime } from "./clock.js";

/** How long a file that is being saved stays in memory. */
const KEEP_MS = 60_000;

const oneLine = (text) => text.split(/\s+/).filter(Boolean).join(" ");
const escaped = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** @typedef {{text: string, start_ms: number, end_ms: number}} Utterance */

/** One utterance a line. @param {Utterance[]} utterances */
export function toText(utterances) {
  return utterances.map((u) => `${u.text}\n`).join("");
}

/** SubRip subtitles. @param {Utterance[]} utterances */
export function toSrt(utterances) {
  return utterances
    .map((u, index) => `${index + 1}\n${span(u, ",")}\n${oneLine(u.text)}\n`)
    .join("\n");
}

/** WebVTT captions. @param {Utterance[]} utterances */
export function toVtt(utterances) {
  const cues = utterances.map((u) => `${span(u, ".")}\n${escaped(oneLine(u.text))}\n`);
  return `WEBVTT\n\n${cues.join("\n")}`;
}

function span(utterance, mark) {
  return `${cueTime(utterance.start_ms, mark)} --> ${cueTime(utterance.end_ms, mark)}`;
}

/** Let the browser keep a file. @param {Blob} blob */
export function saveFile(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Some browsers read the data only after asking where to put it.
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}
