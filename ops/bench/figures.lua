-- Part of our scripts for wrk: prints a line `figures` with requests, duration and latencies in
-- microseconds (median, 99th percentile), and how many requests failed.

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    "figures %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
