-- Records attempts and what they lead to, each wholly or not at all.
--
-- KEYS  1 outbox
-- ARGV  1 prefix of the partition's keys  2 attempts kept of a subscription  3 longest lifetime, ms  then for each
--       member, sequence, cursor that was claimed, failures that were claimed, verdict,
--       next attempt in ms, or with fail the last one,
--       cursor afterwards, sequence that was passed or 0, lease to go on with in ms, attempt as it is logged or '',
--       when the subscription was changed last, as it was claimed
--
-- 1. The attempt is logged in any case: it was made. It stands with the subscription, until it is a long one or they
--    are many: then all of them are a list from now on (keys.py says why).
-- 2. Another cursor or other failures than were claimed: somebody else was faster, nothing more is written. If that
--    was a replay, which waited for the attempt to end, it is due now. The same where the call does not have the event
--    any more: Redis has lost it, and what is found again may stand elsewhere in the sequence.
-- 3. done (delivered or not wanted) and fail (given up, and kept as such) move the cursor or end the delivery that
--    has a lane of its own; the subscription stays in the outbox while there are more events, leased on to the
--    worker when it goes on, and due now when it does not.
-- 4. retry counts a failure; slow does too, and notes when the delivery is due, so that a new event may hasten it;
--    wait counts nothing. Each puts the next attempt off, or leases on. What was changed, replayed or hastened while it
--    was being tried is due now.
-- 5. pass: a later event was delivered where the head was not, so the head gets a lane of its own.
-- 6. A next attempt that lies beyond the keys' lifetimes prolongs them.
-- 7. A subscription that was changed meanwhile is not gone on with: what it has to deliver is due now, to be claimed
--    as it stands.
-- 8. It works at the limit of Redis' memory too (gate): what could not be recorded would be sent again.
--
-- Returns for each 0 (stale), 1 (recorded), 2 (recorded, and there is something to go on with now) or 3 (recorded, and
-- there is, but not with what was claimed), then the time in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MARGIN = 3600000
local MOST_INLINE, LONGEST_INLINE = 16, 64

local function prolong(keys, until_ms)
  for _, key in ipairs(keys) do
    local left = redis.call('PTTL', key)
    if left >= 0 and left < until_ms - now + MARGIN then
      redis.call('PEXPIRE', key, string.format('%.0f', until_ms - now + MARGIN))
    end
  end
end

-- A lease is told from a wait by its fraction.
local function leased(lease)
  return string.format('%.1f', now + lease - 0.5)
end

local function log_attempt(sub, log, count, attempt)
  if count >= 0 and count < MOST_INLINE and #attempt <= LONGEST_INLINE then
    redis.call('HSET', sub, 'l' .. (count + 1), attempt, 'l', count + 1)
    return
  end
  for place = 1, count do
    redis.call('RPUSH', log, redis.call('HGET', sub, 'l' .. place))
    redis.call('HDEL', sub, 'l' .. place)
  end
  redis.call('RPUSH', log, attempt)
  redis.call('LTRIM', log, -ARGV[2], -1)
  redis.call('PEXPIRE', log, redis.call('PTTL', sub))
  if count >= 0 then
    redis.call('HSET', sub, 'l', -1)
  end
end

local function keep_as_failed(tenant, subscription, sequence, last_attempt)
  local failed = ARGV[1] .. 'failed:' .. tenant
  redis.call('ZREMRANGEBYSCORE', failed, '-inf', now - ARGV[3])
  redis.call('ZADD', failed, last_attempt, subscription .. '/' .. sequence)
  redis.call('PEXPIRE', failed, ARGV[3])
end

local function settle_own_lane(sub, member, sequence, verdict, next_ms)
  if verdict == 'done' or verdict == 'fail' then
    redis.call('HDEL', sub, 'r' .. sequence)
    redis.call('ZREM', KEYS[1], member)
    return 1
  end
  if verdict ~= 'wait' then
    redis.call('HINCRBY', sub, 'r' .. sequence, 1)
  end
  redis.call('ZADD', KEYS[1], 'XX', next_ms, member)
  return 1
end

local function put_off(sub, member, goes_on, verdict, next_ms, lease)
  if verdict ~= 'wait' then
    redis.call('HINCRBY', sub, 'a', 1)
  end
  if verdict == 'slow' then
    redis.call('HSET', sub, 'n', next_ms)
  end
  if lease > 0 then
    redis.call('ZADD', KEYS[1], 'XX', goes_on and leased(lease) or now, member)
    return goes_on and 2 or 3
  end
  local cause = redis.call('HGET', sub, 'h')
  redis.call('HDEL', sub, 'h')
  -- An early failure is followed by its own wait, whatever is new: the receiver may have asked for it.
  if cause and (cause ~= 'new' or verdict == 'slow' or redis.call('HEXISTS', sub, 'n') == 1) then
    return redis.call('ZADD', KEYS[1], 'XX', 'CH', now, member) == 1 and 3 or 1
  end
  redis.call('ZADD', KEYS[1], 'XX', next_ms, member)
  return 1
end

local function settle(member, sequence, cursor, failures, verdict, next_ms, after, passed, lease, attempt, changed)
  local subscription = string.match(member, '^[^/]+')
  local short = string.sub(subscription, 7)
  local sub, log = ARGV[1] .. 's' .. short, ARGV[1] .. 'l' .. short
  local fields = redis.call('HMGET', sub, 'w', 'c', 'a', 'st', 't', 'r' .. sequence, 'u', 'l')
  if not fields[1] then
    redis.call('ZREM', KEYS[1], member)
    return 0
  end
  if attempt ~= '' then
    log_attempt(sub, log, tonumber(fields[8] or 0), attempt)
  end
  local watch = ARGV[1] .. 'w' .. fields[1]
  local own_lane = member ~= subscription
  local call = redis.call('HMGET', watch, 'i', 'e')
  local written = tonumber(call[2] or 0)
  local lost = call[1] and written < math.max(tonumber(sequence), tonumber(after))
  local overtaken = own_lane and fields[6] ~= failures
    or not own_lane and (fields[2] ~= cursor or fields[3] ~= failures)
  if lost or overtaken then
    if not own_lane and redis.call('HDEL', sub, 'h') == 1 then
      redis.call('ZADD', KEYS[1], 'XX', now, subscription)
    end
    return 0
  end
  local goes_on = fields[4] == 'active' and (fields[7] or '') == changed
  if tonumber(next_ms) > 0 then
    prolong({sub, log, watch, ARGV[1] .. 'line:' .. string.sub(fields[1], 1, 12)}, tonumber(next_ms))
  end
  if verdict == 'fail' then
    keep_as_failed(fields[5], subscription, sequence, next_ms)
  end
  if own_lane then
    return settle_own_lane(sub, member, sequence, verdict, next_ms)
  end
  if verdict ~= 'done' and verdict ~= 'fail' and verdict ~= 'pass' then
    return put_off(sub, member, goes_on, verdict, next_ms, tonumber(lease))
  end
  redis.call('HSET', sub, 'c', after, 'a', 0)
  redis.call('HDEL', sub, 'n', 'h')
  if verdict == 'pass' and (fields[4] == 'active' or fields[4] == 'paused') then
    redis.call('HSET', sub, 'r' .. passed, failures)
    if fields[4] == 'active' then
      redis.call('ZADD', KEYS[1], next_ms, member .. '/' .. passed)
    end
  end
  if fields[4] == 'active' and written > tonumber(after) then
    redis.call('ZADD', KEYS[1], goes_on and tonumber(lease) > 0 and leased(tonumber(lease)) or now, member)
    return goes_on and 2 or 3
  end
  redis.call('ZREM', KEYS[1], member)
  return 1
end

-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[1], '')
local results = {}
for at = 4, #ARGV, 11 do
  results[#results + 1] = settle(unpack(ARGV, at, at + 10))
end
results[#results + 1] = now
return results
