-- wrk's script: sends the requests of a file in turn, and prints one line of figures at the end.
--   wrk ... -s send_requests.lua URL -- FILE TOKEN
-- The file has a request in each line: method, path and body, with tabs between them.

local requests = {}
local position = 0
local serial = 0

function init(arguments)
  serial = os.time() * 1000
  -- Added to wrk's own, which have `Host`.
  local headers = wrk.headers
  headers["Authorization"] = "Bearer " .. arguments[2]
  headers["Content-Type"] = "application/json"
  headers["X-Forwarded-Proto"] = "https" -- what the proxy in front of both would add
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+)\t(%S+)\t(.*)$")
    local request = { method = method, path = path, body = body, headers = headers }
    if body == "" then request.body = nil end
    if not body:find("$SERIAL", 1, true) then
      request.text = wrk.format(method, path, headers, request.body)
    end
    table.insert(requests, request)
  end
end

function request()
  position = position % #requests + 1
  local next_request = requests[position]
  if next_request.text then return next_request.text end
  serial = serial + 1
  local body = next_request.body:gsub("%$SERIAL", string.format("%d", serial))
  return wrk.format(next_request.method, next_request.path, next_request.headers, body)
end

-- `done`, which prints the figures.
dofile(debug.getinfo(1, "S").source:match("^@(.*)/") .. "/figures.lua")
