-- Gives deliveries the whole schedule again, from the first attempt on.
--
-- KEYS  1 outbox  2 the tenant's failed deliveries
-- ARGV  1 prefix of the partition's keys  then for each
--       subscription, sequence, cursor that was read where it is the head of the queue, else '', put off by, ms
--
-- 1. A subscription that has ended stays as it is.
-- 2. One that is being attempted just now stays as it is: its failures tell whose record counts.
-- 3. One behind the cursor waits for its turn. The head's failures are forgotten; whatever stands there is due now.
-- 4. Any other gets a lane of its own, or has one, with no failures; it is not given up any more, and due.
-- 5. Paused: the same, and resuming makes it due.
-- 6. Keys that would expire before the first steps of the schedule are prolonged; recording an attempt goes on so.
--
-- Returns for each 0 (no such subscription any more), 1 (done) or 2 (ended before)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MARGIN = 3600000

local function under_way(member)
  return tonumber(redis.call('ZSCORE', KEYS[1], member) or 0) % 1 ~= 0
end

local function keep(names)
  for _, name in ipairs(names) do
    local left = redis.call('PTTL', ARGV[1] .. name)
    if left >= 0 and left < MARGIN then
      redis.call('PEXPIRE', ARGV[1] .. name, MARGIN)
    end
  end
end

local function hasten_queue(sub, subscription, cursor, expected)
  if under_way(subscription) then
    return nil
  end
  if cursor == expected then
    redis.call('HSET', sub, 'a', 0)
    redis.call('HDEL', sub, 'n', 'h')
  end
  return subscription
end

local function own_lane(sub, member, sequence)
  if under_way(member) then
    return nil
  end
  redis.call('HSET', sub, 'r' .. sequence, 0)
  redis.call('ZREM', KEYS[2], member)
  return member
end

-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[1], '')
local results = {}
for at = 2, #ARGV, 4 do
  local subscription, sequence, expected, wait = unpack(ARGV, at, at + 3)
  local short = string.sub(subscription, 7)
  local sub = ARGV[1] .. 's' .. short
  local watch, status, cursor = unpack(redis.call('HMGET', sub, 'w', 'st', 'c'))
  local result = watch and 2 or 0
  if status == 'active' or status == 'paused' then
    local behind = tonumber(sequence) > tonumber(cursor)
    local place = behind and hasten_queue(sub, subscription, cursor, expected)
      or not behind and own_lane(sub, subscription .. '/' .. sequence, sequence)
    if place and status == 'active' then
      redis.call('ZADD', KEYS[1], now + wait, place)
    end
    keep({'s' .. short, 'l' .. short, 'w' .. watch, 'line:' .. string.sub(watch, 1, 12)})
    result = 1
  end
  results[#results + 1] = result
end
return results
