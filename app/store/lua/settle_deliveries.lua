-- Records attempts and what they lead to, each wholly or not at all.
--
-- KEYS  1 outbox
-- ARGV  1 prefix of the partition's keys  2 attempts kept of a subscription  then for each
--       member, sequence, cursor that was claimed, failures that were claimed, verdict, next attempt in ms,
--       cursor afterwards, lease to go on with in ms, attempt as it is logged or ''
--       verdict: done (delivered, given up or not wanted), retry, or park (retry outside the fast lane)
--
-- 1. The attempt is logged in any case: it was made.
-- 2. Another cursor or other failures than were claimed: somebody else was faster, nothing more is written.
-- 3. done moves the cursor (or ends the parked delivery); the subscription stays in the outbox while there are
--    more events, leased on to the worker when it goes on, and due now when it does not.
-- 4. park moves the cursor too, and gives the delivery a place of its own in the outbox.
-- 5. A retry that lies beyond the keys' lifetimes prolongs them.
--
-- Returns for each 0 (stale), 1 (recorded) or 2 (recorded, and there are more events), then the time in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MARGIN = 3600000

local function prolong(keys, until_ms)
  for _, key in ipairs(keys) do
    local left = redis.call('PTTL', key)
    if left >= 0 and left < until_ms - now + MARGIN then
      redis.call('PEXPIRE', key, string.format('%.0f', until_ms - now + MARGIN))
    end
  end
end

local function settle(member, sequence, cursor, failures, verdict, next_ms, after, lease, attempt)
  local subscription = string.match(member, '^[^/]+')
  local sub, log = ARGV[1] .. 'sub:' .. subscription, ARGV[1] .. 'log:' .. subscription
  local fields = redis.call('HMGET', sub, 'w', 'c', 'a', 'st', 'r' .. sequence)
  if not fields[1] then
    redis.call('ZREM', KEYS[1], member)
    return 0
  end
  if attempt ~= '' then
    redis.call('RPUSH', log, attempt)
    redis.call('LTRIM', log, -ARGV[2], -1)
    redis.call('PEXPIRE', log, redis.call('PTTL', sub))
  end
  local events = ARGV[1] .. 'events:' .. fields[1]
  local parked = member ~= subscription
  if (parked and fields[5] ~= failures) or (not parked and (fields[2] ~= cursor or fields[3] ~= failures)) then
    return 0
  end
  if verdict ~= 'done' then
    prolong({sub, log, events, ARGV[1] .. 'watch:' .. fields[1]}, tonumber(next_ms))
  end
  if parked then
    if verdict == 'done' then
      redis.call('HDEL', sub, 'r' .. sequence)
      redis.call('ZREM', KEYS[1], member)
    else
      redis.call('HINCRBY', sub, 'r' .. sequence, 1)
      redis.call('ZADD', KEYS[1], 'XX', next_ms, member)
    end
    return 1
  end
  if verdict == 'retry' then
    redis.call('HINCRBY', sub, 'a', 1)
    redis.call('ZADD', KEYS[1], 'XX', next_ms, member)
    return 1
  end
  redis.call('HSET', sub, 'c', after, 'a', 0)
  if verdict == 'park' and fields[4] == 'active' then
    redis.call('HSET', sub, 'r' .. sequence, failures + 1)
    redis.call('ZADD', KEYS[1], next_ms, member .. '/' .. sequence)
  end
  if fields[4] == 'active' and redis.call('LLEN', events) > tonumber(after) then
    redis.call('ZADD', KEYS[1], now + lease, member)
    return 2
  end
  redis.call('ZREM', KEYS[1], member)
  return 1
end

local results = {}
for at = 3, #ARGV, 9 do
  results[#results + 1] = settle(unpack(ARGV, at, at + 8))
end
results[#results + 1] = now
return results
