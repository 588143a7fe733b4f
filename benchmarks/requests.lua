-- Histories of 1 to 50 games for wrk: `wrk -s requests.lua URL -- PATH N_ITEMS MEAN_PAUSE_MS [FILE]`; those of a
-- file, one body a line, where one is given.
-- With a pause each connection waits a random time (exponential) between two requests, so that a rate is kept.
local bodies, path, pause, count = {}, "/recommend", 0, 0
local headers = { ["Content-Type"] = "application/json" }


function init(args)
  path = args[1] or path
  local n_items = tonumber(args[2] or "6000")
  pause = tonumber(args[3] or "0")
  local key = os.getenv("NEXTPLAY_API_KEY")
  if key then headers["Authorization"] = "Bearer " .. key end
  if args[4] then
    for line in io.lines(args[4]) do bodies[#bodies + 1] = line end
    return
  end
  math.randomseed(20181114)
  for i = 1, 500 do
    local ids = {}
    for j = 1, math.random(1, 50) do ids[j] = '"' .. 10 * math.random(1, n_items) .. '"' end
    bodies[i] = '{"history":[' .. table.concat(ids, ",") .. ']}'
  end
end

function request()
  count = count + 1
  return wrk.format("POST", path, headers, bodies[count % #bodies + 1])
end

function delay() return pause == 0 and 0 or math.floor(-math.log(1 - math.random()) * pause) end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "errors": %d, "p50": %f, "p90": %f, "p99": %f, "max": %f}\n',
    summary.requests, summary.duration / 1e6,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
