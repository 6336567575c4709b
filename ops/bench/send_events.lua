-- wrk's script: sends each request of a file once, in their order, and prints a line of figures.
-- Before the first one it prints `sending`, after the last answer `answered`. Then wrk, which would
-- wait for the end of its time, must be interrupted.
--   wrk ... -t1 -s send_events.lua URL -- FILE
-- The file has a request in each line: path, content type, authorization and body, with tabs
-- between them.

local requests = {}
local position = 0
local reserved = 0
local answered = 0
local FOR_EVER = 3600 * 1000 -- milliseconds

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, kind, authorization, body = line:match("^(%S+)\t(%S+)\t([^\t]+)\t(.*)$")
    local headers = wrk.headers
    headers["Authorization"] = authorization
    headers["Content-Type"] = kind
    headers["X-Forwarded-Proto"] = "https" -- what the proxy in front of both would add
    table.insert(requests, wrk.format("POST", path, headers, body))
  end
end

local function report(word)
  io.write(word .. "\n")
  io.flush()
end

-- Called for each connection before its next request, and with no other way to send none.
function delay()
  if reserved >= #requests then return FOR_EVER end
  reserved = reserved + 1
  return 0
end

function request()
  -- wrk asks once before it connects, to see what a request looks like.
  if reserved == 0 then return requests[1] end
  position = position + 1
  if position == 1 then report("sending") end
  return requests[position]
end

function response()
  answered = answered + 1
  if answered == #requests then
    report("answered")
    wrk.thread:stop()
  end
end

-- `done`, which prints the figures.
dofile(debug.getinfo(1, "S").source:match("^@(.*)/") .. "/figures.lua")
