// Wires the page together: controls, one session at a time, and what it tells.

import { Api, ApiError } from "./api.js";
import { Captions } from "./captions.js";
import { openMicrophone } from "./capture.js";
import { shortTime } from "./clock.js";
import { byId, element } from "./dom.js";
import { openFile } from "./file.js";
import { FramePrint } from "./frame-print.js";
import { FrameTimes } from "./frame-time.js";
import { saveFile, toSrt, toText, toVtt } from "./formats.js";
import { LagMeter, LevelMeter } from "./meters.js";
import { Search } from "./search.js";
import { Session } from "./session.js";
import { TranscriptDialog } from "./transcript.js";
import { Waveform } from "./waveform.js";

const api = new Api(document.baseURI);
const waveform = new Waveform(byId("wave"));
const level = new LevelMeter(byId("level"));
const lag = new LagMeter(byId("lag"));
const captions = new Captions();
const frames = new FrameTimes();
const framePrint = new FramePrint(byId("frames"), frames);
const dialog = new TranscriptDialog(api, () => search.refresh(), explain);
const search = new Search(api, (id) => dialog.open(id), explain);

/** The session that runs now, if any. @type {Session | null} */
let session = null;

// --- the main button: idle -> starting -> live -> finishing -> idle ---------------------------------

const LABELS = { idle: "Start", starting: "Starting", live: "Stop", finishing: "Finishing" };

function show(state) {
  byId("main-button").dataset.state = state;
  byId("main-label").textContent = LABELS[state];
  for (const id of ["sources", "model", "file", "pace", "audible"]) byId(id).disabled = state !== "idle";
  document.title = state === "live" ? "● gapless" : "gapless";
}

byId("main-button").addEventListener("click", () => {
  if (byId("main-button").dataset.state === "starting") return;
  if (session) {
    show("finishing");
    session.stop();
  } else {
    listen();
  }
});

async function listen() {
  show("starting");
  hideNotice();
  let source = null;
  try {
    source = await openSource();
    session = new Session(source, {
      block: (samples) => frames.between(() => hear(samples)),
      message: (message) => frames.between(() => receive(message)),
      lost: () => connected("wait", "reconnecting"),
      found: () => connected("live", "listening"),
    });
    const end = await session.run((options) => api.streamUrl(options), chosenOptions(), () => {
      captions.reset();
      waveform.reset(source.rateHz);
      frames.reset();
      show("live");
      connected("live", "listening");
      requestAnimationFrame(drawFrame);
    });
    waveform.reach(end.audio_ms);
    connected("ready", "ready");
  } catch (error) {
    notify(explain(error));
    if (error.code === "refused") await connect();
    else if (error.code === "lost") connected("down", "disconnected");
  } finally {
    source?.stop();
    session = null;
    captions.finish();
    level.reset();
    lag.reset();
    show("idle");
    search.refresh();
  }
}

const chosenSource = () => document.querySelector("input[name=source]:checked").value;

async function openSource() {
  const pace = { fast: byId("pace").value === "fast", audible: byId("audible").checked };
  switch (chosenSource()) {
    case "microphone":
      return openMicrophone();
    case "sample":
      return openFile(await (await fetch(new URL("sample.flac", document.baseURI))).blob(), pace);
    default: {
      const [file] = byId("file").files;
      if (file) return openFile(file, pace);
      byId("file").focus();
      throw new Error("No file is chosen yet. Choose a recording, then start.");
    }
  }
}

function chosenOptions() {
  const model = byId("model").value;
  const options = { denoise: byId("denoise").valueAsNumber / 100 };
  return model ? { model, ...options } : options;
}

// --- what a session tells ---------------------------------------------------------------------------

function hear(samples) {
  waveform.push(samples);
  level.push(samples);
}

function receive(message) {
  switch (message.type) {
    case "speech_start":
      waveform.speechStart(message.utt, message.at_ms);
      captions.speechStart(message.utt, message.at_ms);
      break;
    case "speech_end":
      waveform.speechEnd(message.utt, message.at_ms);
      break;
    case "partial":
      captions.partial(message.utt, message.text, message.stable_chars);
      lag.show(waveform.nowMs - message.end_ms);
      break;
    case "final": {
      const words = message.words.map(({ w, conf }) => ({ text: w, confidence: conf }));
      captions.final({ ...message, words });
      showActions();
      break;
    }
    case "empty":
      captions.empty(message.utt);
      break;
    case "progress":
      waveform.reach(message.received_ms);
      lag.show(message.lag_ms);
      break;
    case "warning":
    case "error":
      notify(message.message);
      break;
  }
}

function drawFrame(now) {
  frames.begin();
  waveform.draw(now);
  level.draw(now);
  const elapsed = shortTime(waveform.nowMs);
  // A text that is set lays the page out again, even if it is the same.
  if (byId("elapsed").textContent !== elapsed) byId("elapsed").textContent = elapsed;
  framePrint.draw(now);
  if (session || !waveform.settled) requestAnimationFrame(drawFrame);
}

// --- controls ---------------------------------------------------------------------------------------

byId("sources").addEventListener("change", () => {
  const source = chosenSource();
  byId("playback").hidden = source === "microphone";
  byId("file-field").hidden = source !== "file";
  hideNotice();
});

byId("pace").addEventListener("change", () => {
  byId("audible").closest("label").hidden = byId("pace").value === "fast";
});

byId("denoise").addEventListener("input", () => {
  const percent = byId("denoise").valueAsNumber;
  byId("denoise-value").textContent = percent ? `${percent} %` : "off";
});

byId("denoise").addEventListener("change", () => {
  session?.configure({ denoise: byId("denoise").valueAsNumber / 100 });
});

// A recording may be dropped anywhere.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (session || !event.dataTransfer.files.length) return;
  byId("file").files = event.dataTransfer.files;
  document.querySelector("input[name=source][value=file]").click();
});

const RENDERINGS = {
  txt: [toText, "text/plain"],
  srt: [toSrt, "application/x-subrip"],
  vtt: [toVtt, "text/vtt"],
};

function showActions() {
  const none = captions.utterances.length === 0;
  for (const button of byId("caption-actions").children) button.disabled = none;
}

byId("caption-actions").addEventListener("click", async ({ target }) => {
  const { action } = target.dataset;
  if (action === "copy") {
    await copy(toText(captions.utterances), target);
  } else if (action) {
    const [render, type] = RENDERINGS[action];
    saveFile(new Blob([render(captions.utterances)], { type }), `captions.${action}`);
  }
});

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    button.addEventListener("blur", () => (button.textContent = "Copy"), { once: true });
  } catch {
    notify("The browser does not let this page copy. Download the txt instead.");
  }
}

// --- keyboard ---------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("transcript").open) return;
  const typing = event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    search.focus();
  } else if (event.key === " " && event.target === document.body) {
    event.preventDefault();
    byId("main-button").click();
  } else if (event.key === "Escape") {
    if (event.target === byId("search") && search.clear()) event.preventDefault();
    else hideNotice();
  }
});

// --- connection, key and what went wrong --------------------------------------------------------------

/** Show how the page stands with the server: wait, ready, live or down. */
function connected(state, words) {
  byId("connection").dataset.state = state;
  byId("connection").textContent = words;
}

/** Messages of the server begin in lower case, like parts of a log line; here they stand alone. */
function sentence(message) {
  const whole = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function notify(message) {
  byId("notice-text").textContent = sentence(message);
  byId("notice").hidden = false;
}

function hideNotice() {
  byId("notice").hidden = true;
}

byId("notice-close").addEventListener("click", hideNotice);

const needsKey = (error) => error instanceof ApiError && error.status === 401;

/** An error as the sentence to show; a missing or wrong key opens the field for it. */
function explain(error) {
  if (!needsKey(error)) return sentence(error.message);
  if (api.key) byId("key-help").textContent = "The server does not know this key. Try another one.";
  api.key = null;
  byId("key-form").hidden = false;
  connected("down", "needs a key");
  return "Enter the key above to go on.";
}

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  api.key = byId("key").value.trim();
  byId("key").value = "";
  byId("key-form").hidden = true;
  hideNotice();
  await connect();
  (byId("key-form").hidden ? byId("main-button") : byId("key")).focus();
});

async function connect() {
  try {
    const models = await api.models();
    const options = models.map(({ id }) => element("option", { value: id }, id));
    byId("model").replaceChildren(...options);
    const standard = models.find((model) => model.default);
    byId("model-why").textContent = standard ? `${standard.id} is the default: ${standard.reason}.` : "";
    await api.ready();
    connected("ready", "ready");
    await search.refresh();
  } catch (error) {
    const message = explain(error);
    if (needsKey(error)) return;
    connected("down", error.status ? "not ready" : "no server");
    notify(message);
  }
}

await connect();
