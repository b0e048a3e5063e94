-- wrk: questions to a model, the same ones again or a new one each time.
--
--   wrk --latency -t2 -c100 -d10s -s deploy/load/infer.lua http://127.0.0.1:8000 -- deploy/load/question.json 1000
--
-- After "--": the file with the question, in which {number} becomes nine digits; and how many different numbers there
-- are. 0: each question is new, so that none is answered from memory. GAPLESS_API_KEY is sent if it is set.

-- Every thread has a script of its own: they take turns among the numbers, so that no two ask the same.
local MOST_THREADS = 64
local threads = 0

function setup(thread)
  thread:set("first", threads)
  thread:set("step", MOST_THREADS)
  threads = threads + 1
end

function init(args)
  local file = assert(io.open(args[1] or "deploy/load/question.json", "rb"))
  question = file:read("*a")
  file:close()
  bodies = tonumber(args[2] or "1000")
  number = first
  -- So that two runs on one server do not ask the same.
  offset = bodies == 0 and (os.time() % 1000) * 1000000 or 0
  wrk.method = "POST"
  wrk.path = "/v1/infer"
  wrk.headers["content-type"] = "application/json"
  local key = os.getenv("GAPLESS_API_KEY")
  if key then wrk.headers["authorization"] = "Bearer " .. key end
end

function request()
  local now = bodies == 0 and (offset + number) % 1000000000 or number % bodies
  number = number + step
  return wrk.format(nil, nil, nil, (question:gsub("{number}", string.format("%09d", now))))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "not answered well: %d by status, %d timeouts, %d connects, %d reads, %d writes\n",
    errors.status, errors.timeout, errors.connect, errors.read, errors.write))
end
