-- Moves the cursors of subscriptions back, so that their events go out again, in order.
--
-- KEYS  1 outbox  2 the tenant's failed deliveries
-- ARGV  1 prefix of the partition's keys  then for each
--       subscription, sequence of the first event to send again, cursor that was read or '' where any will do
--
-- 1. A subscription that has ended, or has come to another cursor than was read, stays as it is.
-- 2. What of the range has a lane of its own or was given up is neither any more: its turn comes in order.
-- 3. The cursor goes back to just before the range, and what is behind it has not failed yet and is due now. While
--    an attempt is under way its end is waited for, so that nothing overtakes it. An event that is behind
--    the cursor anyhow only stops waiting.
-- 4. Paused: the same, and resuming makes it due.
-- 5. Keys that would expire before the first steps of the schedule are prolonged; recording an attempt goes on so.
--
-- Returns for each 0 (no such subscription any more), 1 (done), 2 (ended before) or 3 (another cursor than was read)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MARGIN = 3600000

local function leave_lanes(sub, subscription, first, cursor)
  for _, field in ipairs(redis.call('HKEYS', sub)) do
    local sequence = tonumber(string.match(field, '^r(%d+)$'))
    if sequence and sequence >= first then
      redis.call('HDEL', sub, field)
      redis.call('ZREM', KEYS[1], subscription .. '/' .. sequence)
    end
  end
  for sequence = first, cursor do
    redis.call('ZREM', KEYS[2], subscription .. '/' .. sequence)
  end
end

local function replay(subscription, first, expected)
  local short = string.sub(subscription, 7)
  local sub = ARGV[1] .. 's' .. short
  local watch, status, at = unpack(redis.call('HMGET', sub, 'w', 'st', 'c'))
  if not watch then
    return 0
  elseif status ~= 'active' and status ~= 'paused' then
    return 2
  elseif expected ~= '' and expected ~= at then
    return 3
  end
  local cursor, from = tonumber(at), tonumber(first)
  leave_lanes(sub, subscription, from, cursor)
  local leased = tonumber(redis.call('ZSCORE', KEYS[1], subscription) or 0) % 1 ~= 0
  if from <= cursor or (from == cursor + 1 and not leased) then
    redis.call('HSET', sub, 'c', from - 1, 'a', 0)
    redis.call('HDEL', sub, 'n', 'h')
    if leased then
      redis.call('HSET', sub, 'h', 1)
    elseif status == 'active' then
      redis.call('ZADD', KEYS[1], now, subscription)
    end
  end
  for _, name in ipairs({'s' .. short, 'l' .. short, 'w' .. watch, 'line:' .. string.sub(watch, 1, 12)}) do
    local lifetime = redis.call('PTTL', ARGV[1] .. name)
    if lifetime >= 0 and lifetime < MARGIN then
      redis.call('PEXPIRE', ARGV[1] .. name, MARGIN)
    end
  end
  return 1
end

-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[1], '')
local results = {}
for at = 2, #ARGV, 3 do
  results[#results + 1] = replay(ARGV[at], ARGV[at + 1], ARGV[at + 2])
end
return results
