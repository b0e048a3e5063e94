// Wires the play page together: controls, one session at a time, and what it tells.

import { Api } from "./api.js";
import { byId, element } from "./dom.js";
import { Door } from "./play-door.js";
import { Editor } from "./play-editor.js";
import { EXAMPLES } from "./play-examples.js";
import { keep, kept } from "./play-kept.js";
import { playUrl } from "./play-link.js";
import { Marks } from "./play-marks.js";
import { Session } from "./play-session.js";
import { Speaker } from "./play-speaker.js";
import { Tempo } from "./play-tempo.js";
import { flashOutputs, showGaps, showOutputs, showPosition, showState } from "./play-transport.js";
import { Verdict } from "./play-verdict.js";
import { Views } from "./play-views.js";

const api = new Api(document.baseURI);
const door = new Door(api, () => byId("main-button").focus());
const editor = new Editor(byId("program"), byId("backdrop"), byId("gutter"));
const marks = new Marks(editor);
const verdict = new Verdict(byId("verdict"), byId("remarks"), editor);
const tempo = new Tempo();
const views = new Views();

/** The session that runs now, if any. @type {Session | null} */
let session = null;
/** @type {Speaker | null} */
let speaker = null;
/** Programs that the server has not answered yet, by id. @type {Map<string, string>} */
const asked = new Map();
/** The program that plays. @type {string | null} */
let playing = null;

// --- transport: idle -> starting -> live -> finishing -> idle -----------------------------------------

const state = () => byId("main-button").dataset.state;

function play() {
  if (state() === "live") set();
  else if (state() === "idle") run();
}

function set() {
  asked.set(session.set(editor.text), editor.text);
  verdict.wait();
}

function hush() {
  if (state() === "live") session.hush();
}

function stop() {
  if (!session) return;
  showState("finishing");
  session.stop();
}

async function run() {
  showState("starting");
  door.hideNotice();
  door.show("wait", "connecting");
  verdict.clear();
  try {
    // Before anything is awaited: only while something is pressed does a browser let sound begin.
    speaker = new Speaker({
      consumed: (sample) => session?.consumed(sample),
      overflow: () => session?.fail(new Error("The server sent more than was asked for. Play again.")),
    });
    session = new Session(speaker, receive);
    await session.run((options) => playUrl(api, options), Number(byId("buffer").value), begin);
    door.show("ready", "ready");
  } catch (error) {
    await door.explain(error);
  } finally {
    end();
  }
}

function begin() {
  marks.reset(speaker.rateHz);
  tempo.reset(speaker.rateHz);
  setVolume();
  showState("live");
  door.show("live", "playing");
  set();
  requestAnimationFrame(drawFrame);
}

function end() {
  session = speaker = playing = null;
  asked.clear();
  marks.reset(1);
  verdict.clear();
  views.reset();
  showOutputs([], []);
  showPosition(null);
  showGaps(null);
  showDifference();
  // Focus must not be lost with a button that is disabled from now on.
  const left = [byId("stop"), byId("hush"), document.body].includes(document.activeElement);
  showState("idle");
  if (left && byId("key-form").hidden) byId("main-button").focus();
}

function drawFrame(now) {
  if (state() !== "live") return;
  const { heard, gaps } = speaker;
  flashOutputs(marks.draw(heard));
  showPosition(tempo.at(heard));
  showGaps(gaps);
  views.draw(speaker, now);
  requestAnimationFrame(drawFrame);
}

// --- what the server tells ----------------------------------------------------------------------------

function receive(message) {
  switch (message.type) {
    case "changed":
      change(message);
      break;
    case "mistake":
      verdict.mistake(message, asked.get(message.id));
      asked.delete(message.id);
      break;
    case "remark":
      verdict.remark(message, playing ?? "");
      break;
    case "events":
      marks.push(message.events);
      break;
    case "cycle":
      tempo.push(message);
      break;
    case "error":
      door.notify(message.message);
      break;
  }
}

function change(message) {
  playing = asked.get(message.id) ?? null;
  // What was asked for before was overtaken by this.
  for (const id of asked.keys()) if (Number(id) <= Number(message.id)) asked.delete(id);
  if (playing === null) marks.hush(message.sample);
  else marks.program(playing);
  tempo.push(message);
  showOutputs(message.outputs, message.hushed);
  verdict.good(message, playing);
  showDifference();
}

// --- controls -----------------------------------------------------------------------------------------

byId("main-button").addEventListener("click", play);
byId("hush").addEventListener("click", hush);
byId("stop").addEventListener("click", stop);
byId("again").addEventListener("click", play);
// A page that the browser keeps for the way back must hold no connection and no device.
window.addEventListener("pagehide", stop);

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.repeat) return;
  if (event.key === "Enter") {
    event.preventDefault();
    play();
  } else if (event.key === ".") {
    event.preventDefault();
    hush();
  }
});

byId("program").addEventListener("input", () => {
  keep("text", editor.text);
  verdict.follow();
  showDifference();
});

/** Whether what is written is what plays. */
function showDifference() {
  byId("main-button").toggleAttribute("data-differs", playing !== null && playing !== editor.text);
}

byId("example").append(...EXAMPLES.map(({ name }, i) => element("option", { value: String(i) }, name)));
byId("example").addEventListener("change", ({ target }) => {
  editor.replace(EXAMPLES[Number(target.value)].text);
  // The next choice may be the same one.
  target.value = "";
});

function setVolume() {
  const percent = byId("volume").valueAsNumber;
  byId("volume-value").textContent = `${percent} %`;
  if (speaker) speaker.volume = percent / 100;
}

byId("volume").addEventListener("input", setVolume);
for (const id of ["volume", "buffer"]) {
  byId(id).value = kept(id) ?? byId(id).value;
  byId(id).addEventListener("change", () => keep(id, byId(id).value));
}

// --- the beginning ------------------------------------------------------------------------------------

editor.restore(kept("text") ?? EXAMPLES[0].text);
setVolume();
showState("idle");
await door.connect();
