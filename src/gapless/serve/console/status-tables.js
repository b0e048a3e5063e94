// What the server does now, in figures: streams, requests, models, caches, breakers, refusals, the microphone.

import { byId, element } from "./dom.js";
import { duration, NOTHING, percent, quantity } from "./status-quantity.js";

/** Show everything of a status that is neither judged nor drawn. */
export function showTables(status) {
  tiles(status);
  table("dialects", status.dialects, "No requests in the last minute.", [
    ["dialect", (row) => row.dialect],
    ["requests", (row) => quantity(row.per_s, "/s")],
    ["failed", (row) => quantity(row.errors_per_s, "/s")],
    ...latency((row) => row.took),
  ]);
  table("models", status.models, "No model is loaded.", [
    ["model", (row) => (row.version ? `${row.name} ${row.version}` : row.name)],
    ["calls", (row) => quantity(row.calls_per_s, "/s")],
    ["rows a call", (row) => quantity(row.rows_per_call)],
    ["queue p95", (row) => quantity(row.queue?.p95_ms, "ms")],
    ["compute p95", (row) => quantity(row.compute?.p95_ms, "ms")],
    ["waiting", (row) => quantity(row.waiting_rows)],
    ["slots", (row) => (row.max_sequences ? `${row.sequences} of ${row.max_sequences}` : NOTHING)],
  ]);
  table("caches", status.caches, "Nothing is cached.", [
    ["cache", (row) => row.namespace],
    ["hits", (row) => percent(row.hit_share)],
    ["asked", (row) => quantity(row.hits_per_s + row.misses_per_s, "/s")],
    ["size", (row) => quantity(row.bytes / 1e6, "MB")],
    ["room", (row) => quantity(row.budget_bytes / 1e6, "MB")],
  ]);
  breakers(status.breakers);
  refusals(status.rejected_per_s);
  microphone(status.microphone);
}

const latency = (of) => ["p50", "p95", "p99"].map((name) => [name, (row) => quantity(of(row)?.[`${name}_ms`], "ms")]);

function tiles({ streams, processor_share: processor, memory_bytes: memory, rejected_per_s: rejected }) {
  const refused = Object.values(rejected).reduce((sum, rate) => sum + rate, 0);
  const { live, most, parked, held_back: heldBack, lag } = streams;
  const room = [`of ${most}`, parked && `${parked} lost the line`, heldBack && `${heldBack} held back`];
  const shown = [
    ["Live streams", String(live), room.filter(Boolean).join(", ")],
    ["Lag, p95", quantity(lag?.p95_ms, "ms"), lag ? `median ${quantity(lag.p50_ms, "ms")}` : "nobody spoke"],
    ["Processor", percent(processor), "of all its cores"],
    ["Memory", quantity(memory === null ? null : memory / 1e6, "MB"), "of all its processes"],
    ["Refused", quantity(refused, "/s"), refused ? "see below" : "nobody"],
  ];
  byId("tiles").replaceChildren(
    ...shown.map(([name, value, more]) => {
      const said = element("dd", {}, element("strong", {}, value), element("span", {}, more));
      return element("div", { class: "tile" }, element("dt", {}, name), said);
    }),
  );
}

/**
 * Fill a table, or say that there is nothing.
 * @param {string} id of its section
 * @param {object[]} rows
 * @param {string} none
 * @param {[string, (row: object) => string][]} columns the first one names the row
 */
function table(id, rows, none, columns) {
  const head = element("tr", {}, ...columns.map(([name]) => element("th", { scope: "col" }, name)));
  const cell = (row, [, value], i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, value(row));
  const lines = rows.map((row) => element("tr", {}, ...columns.map((column, i) => cell(row, column, i))));
  const made = element("table", { class: "numbers" }, element("thead", {}, head), element("tbody", {}, ...lines));
  byId(id).replaceChildren(rows.length ? made : element("p", { class: "hint" }, none));
}

const BREAKER_SAYS = { closed: "in use", "half-open": "tried again", open: "left alone, it failed" };

function breakers(list) {
  const rows = list.map(({ name, state }) => {
    const said = element("strong", {}, `${state}: ${BREAKER_SAYS[state] ?? state}`);
    return element("li", { "data-state": state }, element("span", {}, name), said);
  });
  pairs("breakers", rows, "None: nothing here depends on another server.");
}

function refusals(rates) {
  const rows = Object.entries(rates)
    .filter(([, rate]) => rate > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([code, rate]) => element("li", {}, element("code", {}, code), element("strong", {}, quantity(rate, "/s"))));
  pairs("refused", rows, "Nobody was refused in the last minute.");
}

/** What `gapless mic status --json` says, in the words of `gapless mic status`. */
function microphone(report) {
  byId("microphone-card").hidden = !report;
  if (!report) return;
  const { engine, stream } = report;
  const rows = [
    ["state", report.running ? `on for ${duration(report.uptime_s)}` : "no sound goes through"],
    ["hears", report.device_description || NOTHING],
    ["mode", engine && `${engine.mode}${engine.bypass ? ", bypassed" : ""}${engine.muted ? ", muted" : ""}`],
    ["adds", quantity(engine?.latency_ms, "ms")],
    ["noise down by", quantity(engine?.reduction_db, "dB")],
    ["late blocks", engine && `${quantity(engine.late_blocks)} by the model, ${quantity(stream?.xruns)} by the machine`],
    ["error", engine?.model_error],
  ];
  const made = rows
    .filter(([, value]) => value)
    .map(([name, value]) => element("li", {}, element("span", {}, name), element("strong", {}, value)));
  pairs("microphone", made, "It says nothing.");
}

/** A list of names and values, or that there is nothing. */
function pairs(id, rows, none) {
  const list = element("ul", { class: "pairs" }, ...rows);
  byId(id).replaceChildren(rows.length ? list : element("p", { class: "hint" }, none));
}
