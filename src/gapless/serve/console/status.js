// Wires the status page together: asks the server every two seconds, and shows what it says.

import { Api } from "./api.js";
import { byId } from "./dom.js";
import { keptFrames, TARGET_MS } from "./frame-kept.js";
import { sentence } from "./play-sentence.js";
import { Charts } from "./status-charts.js";
import { Hour } from "./status-hour.js";
import { quantity, timeOfDay } from "./status-quantity.js";
import { showTables } from "./status-tables.js";
import { showVerdict, targetRow } from "./status-verdict.js";

const EVERY_MS = 2000;
/** A server that is away is asked less and less often. */
const MOST_MS = 10_000;

const api = new Api(document.baseURI);
const hour = new Hour();
const charts = new Charts(byId("charts"), hour);

let timer = 0;
let waitMs = EVERY_MS;
/** When the server answered last, or null. */
let answeredMs = null;
let nextHistoryMs = 0;
/** One round of questions at a time. */
let asking = false;

/** Ask for everything that is due, show it, and come back later. */
async function look() {
  clearTimeout(timer);
  if (asking) return;
  asking = true;
  try {
    const status = await api.status();
    if (performance.now() >= nextHistoryMs) {
      hour.take(await api.history(hour.newestMs));
      nextHistoryMs = performance.now() + hour.everyS * 1000;
    }
    show(status);
    waitMs = EVERY_MS;
  } catch (error) {
    explain(error);
  } finally {
    asking = false;
  }
  if (byId("key-form").hidden && !document.hidden) timer = setTimeout(look, waitMs);
}

function show(status) {
  answeredMs = Date.now();
  showVerdict(status);
  showTables(status);
  charts.show();
  byId("status").hidden = false;
  byId("status").removeAttribute("data-stale");
  byId("notice").hidden = true;
  connected("ready", "live");
}

/** Say what went wrong; what is known stays, marked as old. */
function explain(error) {
  if (!("status" in error)) throw error;
  waitMs = Math.min(waitMs * 2, MOST_MS);
  byId("status").setAttribute("data-stale", "");
  if (error.status === 401) {
    if (api.key) byId("key-help").textContent = "The server does not know this key. Try another one.";
    api.key = null;
    byId("key-form").hidden = false;
    byId("notice").hidden = true;
    connected("down", "needs a key");
    return;
  }
  connected("down", error.status ? "not ready" : "no server");
  const old = answeredMs === null ? "" : ` What you see is from ${timeOfDay(answeredMs, true)}.`;
  const words = `${sentence(error.message)}${old} This page keeps asking.`;
  // Announced once, not at every try.
  if (byId("notice-text").textContent !== words) byId("notice-text").textContent = words;
  byId("notice").hidden = false;
}

/** Show how the page stands with the server: wait, ready or down. */
function connected(state, words) {
  byId("connection").dataset.state = state;
  if (byId("connection").textContent !== words) byId("connection").textContent = words;
}

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  api.key = byId("key").value.trim();
  byId("key").value = "";
  byId("key-form").hidden = true;
  await look();
  if (!byId("key-form").hidden) byId("key").focus();
});

// Nobody looks: nothing is asked. Somebody looks again: at once.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (byId("key-form").hidden) look();
});

/** What the console measured of itself in this browser, in whichever tab that was. */
function showFrames() {
  const kept = keptFrames();
  byId("browser-card").hidden = kept === null;
  if (kept === null) return;
  const says = "Drawing a frame of the console while it listens: scripts, style, layout and paint, p95";
  const met = kept.p95 < TARGET_MS;
  byId("browser").replaceChildren(
    targetRow({ name: "frame", row: "U1", says, unit: "ms", bound: TARGET_MS, value: kept.p95, met }),
  );
  const [median, longest] = [kept.p50, kept.max].map((ms) => quantity(ms, "ms"));
  byId("browser-says").textContent =
    `Measured by the console itself over ${kept.frames} frames, until ${timeOfDay(kept.atMs, true)}: ` +
    `median ${median}, longest ${longest}.`;
}

window.addEventListener("storage", showFrames);
showFrames();
await look();
