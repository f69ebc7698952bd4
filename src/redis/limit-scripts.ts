/**
 * Claims a share of the concurrency limit for a replica and returns the number of live replicas, the share, and the
 * remaining cool-down and open time in milliseconds.
 *
 * A share is at most what the claims of the others leave, and a claim is at least what its replica uses. So the sum stays
 * within the limit, or the number of replicas if that is greater. If the claims of the others alone exceed it (replicas have
 * worked alone), the share is an equal one. For some time, a replica that has come back gets no more than it uses, because
 * others may not have claimed yet. The time is that of Redis. Invalid and expired entries are removed.
 *
 * Arguments: replica, calls in use, channel for requests for a greater share or an empty text, limit, times in ms: until a
 * claim expires, until a replica has settled, greatest pause.
 */
export const CLAIM = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local inUse, limit, liveMs = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
local settleMs, maxPauseMs = tonumber(ARGV[6]), tonumber(ARGV[7])

local entries = redis.pcall('HGETALL', KEYS[1])
if entries.err or #entries > 2000 then
  redis.call('DEL', KEYS[1])
  entries = {}
end
local replicas, claimed, since = 1, 0, now
for index = 1, #entries, 2 do
  local claim, untilMs, sinceMs = string.match(entries[index + 1], '^(%d+) (%d+) (%d+)')
  untilMs = tonumber(untilMs or 0)
  if untilMs < now or untilMs > now + liveMs then
    redis.call('HDEL', KEYS[1], entries[index])
  elseif entries[index] == ARGV[1] then
    since = math.min(now, tonumber(sinceMs))
  else
    replicas = replicas + 1
    claimed = claimed + math.min(limit, tonumber(claim))
  end
end

limit = math.max(limit, replicas)
local share = math.max(0, math.min(math.ceil(limit / replicas), limit - claimed))
if claimed > limit then share = math.floor(limit / replicas) end
if inUse > 0 and now - since < settleMs then share = math.min(share, inUse) end
local entry = string.format('%d %d %d', math.max(share, inUse), now + liveMs, since)
redis.call('HSET', KEYS[1], ARGV[1], entry)
redis.call('PEXPIRE', KEYS[1], liveMs)
if ARGV[3] ~= '' and share < math.floor(limit / replicas) then
  redis.call('SPUBLISH', ARGV[3], ARGV[1])
end

local function remaining(key)
  local ttl = redis.call('PTTL', key)
  if ttl == -1 or ttl > maxPauseMs then redis.call('DEL', key) end
  return ttl > maxPauseMs and 0 or math.max(0, ttl)
end
return { replicas, share, remaining(KEYS[2]), remaining(KEYS[3]) }`

/**
 * Starts a cool-down and an open time of the circuit breaker, or extends them, and publishes a message. Without memory, publishes
 * it only.
 *
 * Arguments: both times in milliseconds, the greatest valid one, channel, message.
 */
export const PAUSE = `
for index = 1, 2 do
  local ms, ttl = tonumber(ARGV[index]), redis.call('PTTL', KEYS[index])
  if ms > 0 and (ttl < ms or ttl > tonumber(ARGV[3])) then
    redis.pcall('SET', KEYS[index], '1', 'PX', ms)
  end
end
return redis.call('SPUBLISH', ARGV[4], ARGV[5])`

/** Removes a replica. */
export const LEAVE = "return redis.call('HDEL', KEYS[1], ARGV[1])"
