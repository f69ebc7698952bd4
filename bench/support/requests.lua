-- Requests for wrk. Argument: a file with one request per line, "path<TAB>entity tag or empty". They are sent in order,
-- again and again.
local requests, count, current = {}, 0, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, tag = line:match("^(.-)\t(.*)$")
    wrk.headers["If-None-Match"] = tag ~= "" and tag or nil
    requests[count] = wrk.format("GET", path)
    count = count + 1
  end
end

function request()
  current = (current + 1) % count
  return requests[current]
end
