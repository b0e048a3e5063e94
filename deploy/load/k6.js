// k6: questions to a model at a rate that does not wait for answers (an open loop).
//
//   k6 run -e RATE=200 -e SECONDS=30 deploy/load/k6.js
//
// URL: the server. RATE: questions a second. SECONDS: how long. QUESTION: a file beside this one, in which {number}
// becomes nine digits. BODIES: how many different ones there are; 0: each is new. GAPLESS_API_KEY is sent if it is set.

import http from "k6/http";
import exec from "k6/execution";
import { check } from "k6";

const url = `${__ENV.URL || "http://127.0.0.1:8000"}/v1/infer`;
const rate = Number(__ENV.RATE || 100);
const bodies = Number(__ENV.BODIES || 0);
const question = open(__ENV.QUESTION || "./question.json");

const headers = { "content-type": "application/json" };
if (__ENV.GAPLESS_API_KEY) headers.authorization = `Bearer ${__ENV.GAPLESS_API_KEY}`;

export const options = {
  scenarios: {
    questions: {
      executor: "constant-arrival-rate",
      rate,
      timeUnit: "1s",
      duration: `${__ENV.SECONDS || 30}s`,
      preAllocatedVUs: Math.max(10, Math.ceil(rate / 10)),
      maxVUs: Math.max(100, rate),
    },
  },
  // The targets of row A2. What k6 could not send in time, for want of virtual users, counts as dropped.
  thresholds: {
    http_req_duration: ["p(95)<50"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
  },
  summaryTrendStats: ["med", "p(95)", "p(99)", "p(99.9)", "max"],
};

// Two runs on one server ask different questions.
export function setup() {
  return { offset: bodies ? 0 : (Date.now() % 1000) * 1000000 };
}

export default function (data) {
  const iteration = exec.scenario.iterationInTest;
  const number = bodies ? iteration % bodies : (data.offset + iteration) % 1000000000;
  const body = question.replaceAll("{number}", String(number).padStart(9, "0"));
  const answer = http.post(url, body, { headers });
  check(answer, { "answered well": (got) => got.status === 200 });
}
