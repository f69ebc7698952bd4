-- The requests of one run of wrk. Arguments: a file with a line for each, "path<TAB>entity tag or nothing", taken in
-- turns; or "new" and a prefix of eight digits, for a job that nobody has asked for before each time.
local requests, count, at = {}, 0, 0

function init(args)
  if args[1] == "new" then
    local prefix = args[2]
    request = function()
      at = at + 1
      return wrk.format("GET", string.format("/jobs/%s-0000-4000-8000-%012x/quality", prefix, at))
    end
    return
  end
  for line in io.lines(args[1]) do
    local path, tag = line:match("^(.-)\t(.*)$")
    wrk.headers["If-None-Match"] = tag ~= "" and tag or nil
    requests[count] = wrk.format("GET", path)
    count = count + 1
  end
end

function request()
  at = (at + 1) % count
  return requests[at]
end
