-- The wrk script of a measurement: requests rotate through many headers, so concurrent requests have different sessions.
local requests, turn = {}, 0

function init(args)
   for line in io.lines(args[1]) do
      local name, value = line:match("^(.-): (.*)$")
      wrk.headers[name] = value
      requests[#requests + 1] = wrk.format("GET")
   end
   if #requests == 0 then
      requests[1] = wrk.format("GET")
   end
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format('\n{"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p99_ms": %f}\n',
      summary.requests, summary.duration / 1e6,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
