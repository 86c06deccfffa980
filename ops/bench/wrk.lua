-- Requests from a file, one after the other for ever; the whole distribution of latencies as JSON at the end.
-- The file: blocks of "<bytes>\n<a request of so many bytes>". Threads start at places evenly spread over it.
local requests, place = {}, 1
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local many_threads = tonumber(args[2])
  while true do
    local bytes = file:read("*n", "*L")
    if not bytes then break end
    table.insert(requests, file:read(bytes))
  end
  file:close()
  place = math.floor(#requests * (number - 1) / many_threads) + 1
end

function request()
  local made = requests[place]
  place = place % #requests + 1
  return made
end

function done(summary, latency, rates)
  local curve = {}
  for step = 1, 400 do curve[step] = string.format("%d", latency:percentile(math.min(step / 4, 99.999))) end
  local some = {}
  for _, percent in ipairs({50, 90, 95, 99, 99.9}) do
    table.insert(some, string.format('"p%g": %d', percent, latency:percentile(percent)))
  end
  table.insert(some, string.format('"max": %d', latency.max))
  local errors = summary.errors
  io.write("\n", string.format(
    '{"requests": %d, "duration_us": %d, "wrong": %d, "broken": %d, "latency_us": {%s}, "curve_us": [%s]}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    table.concat(some, ", "), table.concat(curve, ", ")))
end
