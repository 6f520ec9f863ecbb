-- Records polls, each wholly or not at all.
--
-- KEYS  1 due  2 outbox
-- ARGV  1 prefix of the partition's keys  2 retention, ms  then for each poll
--       watch id, version that was claimed, when polled in ms, next due in ms, new state or '' when unchanged,
--       final type or '', number of events n, and n times {event, type}
--
-- 1. A version other than the one that was claimed: somebody else was faster, nothing is written.
-- 2. Without a change only the time of the poll, the next due time and the version are written: of two polls of
--    one call at the same time one counts. A call that is not polled any more notes when it would be due.
-- 3. Else the state and the events are written, and each live subscription that wants one of the events has
--    something to deliver. One that is already in the outbox keeps its place there, for it may be leased; but a
--    head that fails slowly is tried at once, so that what is new waits for nothing but a last try of its elder.
-- 4. With a final type the watch is over: it leaves `due`, and its keys live for the retention time. Its
--    subscriptions are not counted as active any more.
--
-- Returns for each poll 0 (stale), 1 (recorded) or 2 (recorded, with something to deliver), then the time in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function wants(filter, types, final)
  if filter == '*' then
    return true
  end
  local padded = ',' .. filter .. ','
  if final ~= '' and string.find(padded, ',final,', 1, true) then
    return true
  end
  for _, kind in ipairs(types) do
    if string.find(padded, ',' .. kind .. ',', 1, true) then
      return true
    end
  end
  return false
end

local function hasten(subscription)
  local sub = ARGV[1] .. 'sub:' .. subscription
  if redis.call('ZSCORE', KEYS[2], subscription) % 1 ~= 0 then
    if tonumber(redis.call('HGET', sub, 'a') or 0) > 0 then
      redis.call('HSET', sub, 'h', 1)
    end
  elseif redis.call('HEXISTS', sub, 'n') == 1 then
    redis.call('ZADD', KEYS[2], now, subscription)
  end
end

local function queue(subscriptions, types, final)
  local queued = 1
  for _, value in ipairs(redis.call('HVALS', subscriptions)) do
    local subscription, filter = string.match(value, '^([^ ]+) (.*)$')
    if wants(filter, types, final) then
      if redis.call('ZADD', KEYS[2], 'NX', now, subscription) == 0 then
        hasten(subscription)
      end
      queued = 2
    end
  end
  return queued
end

local function uncount(subscriptions)
  for _, value in ipairs(redis.call('HVALS', subscriptions)) do
    local subscription = string.match(value, '^[^ ]+')
    local tenant = redis.call('HGET', ARGV[1] .. 'sub:' .. subscription, 't')
    if tenant then
      local active, period = ARGV[1] .. 'active:' .. tenant, string.sub(subscription, 7, 10)
      if redis.call('HINCRBY', active, period, -1) <= 0 then
        redis.call('HDEL', active, period)
      end
    end
  end
end

local results, at = {}, 3
while at <= #ARGV do
  local id, version, polled, due, state, final, count = unpack(ARGV, at, at + 6)
  at = at + 7
  local watch, events = ARGV[1] .. 'watch:' .. id, ARGV[1] .. 'events:' .. id
  if redis.call('HGET', watch, 'v') ~= version then
    results[#results + 1] = 0
  else
    local result, types = 1, {}
    redis.call('HSET', watch, 'p', polled)
    redis.call('HINCRBY', watch, 'n', 1)
    redis.call('HSET', watch, 'v', version + 1)
    if state ~= '' then
      redis.call('HSET', watch, 's', state)
    end
    for i = at, at + count * 2 - 1, 2 do
      redis.call('RPUSH', events, ARGV[i])
      types[#types + 1] = ARGV[i + 1]
    end
    if #types > 0 then
      redis.call('PEXPIRE', events, redis.call('PTTL', watch))
      result = queue(ARGV[1] .. 'subs:' .. id, types, final)
    end
    if final ~= '' then
      redis.call('ZREM', KEYS[1], id)
      redis.call('HSET', watch, 'f', final)
      uncount(ARGV[1] .. 'subs:' .. id)
      for _, key in ipairs({watch, events, ARGV[1] .. 'subs:' .. id}) do
        redis.call('PEXPIRE', key, ARGV[2])
      end
    elseif redis.call('ZSCORE', KEYS[1], id) then
      redis.call('ZADD', KEYS[1], due, id)
    else
      redis.call('HSET', watch, 'd', due)
    end
    results[#results + 1] = result
  end
  at = at + count * 2
end
results[#results + 1] = now
return results
